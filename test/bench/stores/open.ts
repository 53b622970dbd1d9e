/** Opens the store of a measured process. */
import { memoryRepos, type Repos, type WebhookStore } from '../../../src/index.ts';
import type { StoreName } from '../protocol.ts';
import type { Home } from './home.ts';

export interface Store {
  readonly repos: Repos & { readonly webhooks: WebhookStore };
  dispose(): Promise<void>;
}

/** Each adapter is loaded only where it is used: a process carries nothing that it does not measure. */
export async function openStore(name: StoreName, home: Home | undefined): Promise<Store> {
  switch (name) {
    case 'memory':
      return { repos: memoryRepos(), dispose: async () => {} };
    case 'sqlite':
      return await sqlite('NORMAL', home);
    case 'sqlite-full':
      return await sqlite('FULL', home);
    case 'postgres':
      return await postgres(home);
  }
}

async function sqlite(synchronous: 'NORMAL' | 'FULL', home: Home | undefined): Promise<Store> {
  if (home?.kind !== 'file') throw new TypeError('SQLite needs a file');
  const { sqliteRepos } = await import('../../../src/sqlite/index.ts');
  const repos = sqliteRepos(home.path, { synchronous });
  return { repos, dispose: async () => repos.close() };
}

async function postgres(home: Home | undefined): Promise<Store> {
  if (home?.kind !== 'schema') throw new TypeError('PostgreSQL needs a schema');
  const { Pool } = await import('pg');
  const { migrate, postgresRepos } = await import('../../../src/postgres/index.ts');
  const { port, database, schema } = home;
  const pool = new Pool({ host: '127.0.0.1', port, user: 'postgres', database });
  await migrate(pool, { schema });
  const repos = postgresRepos(pool, { schema });
  return {
    repos,
    async dispose() {
      await repos.close();
      await pool.end();
    },
  };
}
