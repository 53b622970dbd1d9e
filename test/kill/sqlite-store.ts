import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StatementSync } from 'node:sqlite';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import type { StoreKind } from './store.ts';

/** One SQLite file on the disk that every process opens. */
export const sqliteStore: StoreKind = {
  async open(address, onStatement) {
    if (onStatement !== undefined) tellOfStatements(onStatement);
    const repos = sqliteRepos(address);
    return { repos, close: async () => repos.close() };
  },
  async create() {
    const folder = await mkdtemp(join(tmpdir(), 'surehook-kill-'));
    return {
      address: join(folder, 'events.db'),
      disturbances: [],
      dispose: () => rm(folder, { recursive: true, force: true }),
    };
  },
};

/** SQLite has no hook between the statements of a transaction: the class of statements is given one. */
function tellOfStatements(onStatement: () => void): void {
  const { run, all, get } = StatementSync.prototype;
  Object.assign(StatementSync.prototype, {
    run: telling(run, onStatement),
    all: telling(all, onStatement),
    get: telling(get, onStatement),
  });
}

function telling(method: unknown, tell: () => void): unknown {
  return function told(this: StatementSync, ...values: unknown[]): unknown {
    tell();
    return Reflect.apply(method as () => unknown, this, values);
  };
}
