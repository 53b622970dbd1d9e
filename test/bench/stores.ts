/** Where surehook stores in a measured process: empty each time. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryRepos, type Repos } from '../../src/index.ts';
import type { ContenderName } from './protocol.ts';

export interface Store {
  readonly repos: Repos;
  dispose(): Promise<void>;
}

export async function openStore(contender: Exclude<ContenderName, 'limit' | 'limit-crypto'>): Promise<Store> {
  switch (contender) {
    case 'surehook':
      return { repos: memoryRepos(), dispose: async () => {} };
    case 'surehook-sqlite':
      return await sqlite('NORMAL');
    case 'surehook-sqlite-full':
      return await sqlite('FULL');
  }
}

async function sqlite(synchronous: 'NORMAL' | 'FULL'): Promise<Store> {
  const { sqliteRepos } = await import('../../src/sqlite/index.ts');
  const folder = await mkdtemp(join(tmpdir(), 'surehook-bench-'));
  const repos = sqliteRepos(join(folder, 'bench.db'), { synchronous });
  return {
    repos,
    async dispose() {
      repos.close();
      await rm(folder, { recursive: true });
    },
  };
}
