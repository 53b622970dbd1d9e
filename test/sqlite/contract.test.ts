import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'vitest';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import { type ContractSubject, runContract } from '../../src/testing/index.ts';
import { freshFiles } from './files.ts';

const freshFile = freshFiles();

describe('the SQLite repos on a file', () => {
  runContract({
    test,
    create: (): ContractSubject => {
      const repos = sqliteRepos(freshFile());
      return { repos, dispose: () => repos.close() };
    },
  });
});

describe('the SQLite repos on a handle of the host’s in memory', () => {
  runContract({
    test,
    create: (): ContractSubject => {
      const db = new DatabaseSync(':memory:');
      return { repos: sqliteRepos(db), dispose: () => db.close() };
    },
  });
});

describe('the SQLite repos on a handle of the host’s on a file', () => {
  runContract({
    test,
    create: (): ContractSubject => {
      const db = new DatabaseSync(freshFile());
      const repos = sqliteRepos(db, { synchronous: 'FULL' });
      return {
        repos,
        dispose: () => {
          repos.close();
          db.close();
        },
      };
    },
  });
});
