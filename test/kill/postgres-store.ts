import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Pool, type PoolClient } from 'pg';
import { migrate, postgresRepos } from '../../src/postgres/index.ts';
import { startServer, type TestServer } from '../postgres/server.ts';
import type { Disturbance, StoreKind } from './store.ts';

/** Connections of one process: one of them listens. */
const CONNECTIONS = 6;
/** How long the server is away where it does not come back at once. */
const AWAY_MS = 1_000;

/** A PostgreSQL server of the run's own, to which every process has a pool. */
export const postgresStore: StoreKind = {
  async open(address, onStatement) {
    const pool = new Pool({ connectionString: address, max: CONNECTIONS });
    // The server ends idle connections when it stops.
    pool.on('error', () => {});
    if (onStatement !== undefined) pool.on('connect', (client) => tellOfStatements(client, onStatement));
    const repos = postgresRepos(pool);
    return {
      repos,
      close: async () => {
        await repos.close();
        await pool.end();
      },
    };
  },
  async create() {
    const server = await startServer();
    const pool = server.pool({ max: 1 });
    pool.on('error', () => {});
    await migrate(pool);
    const { rows } = await pool.query<{ data_directory: string }>('SHOW data_directory');
    const folder = rows[0]?.data_directory ?? '';
    const { host, port, user, database } = server.config;
    return {
      address: `postgres://${user}@${host}:${port}/${database}`,
      disturbances: disturbancesOf(server, pool),
      dispose: () => server.dispose(),
      abandon: () => killServer(folder),
    };
  },
};

function disturbancesOf(server: TestServer, pool: Pool): readonly Disturbance[] {
  return [
    {
      name: 'stopped at once and started',
      run: () => server.restart(),
    },
    {
      name: 'all connections cut',
      run: async () => {
        await pool.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        );
      },
    },
    {
      name: `stopped at once for ${AWAY_MS} ms`,
      run: async () => {
        await server.stopImmediately();
        await wait(AWAY_MS);
        await server.start();
      },
    },
  ];
}

/** Two chances for each statement: before it leaves this process, and while the server is at it. */
function tellOfStatements(client: PoolClient, onStatement: () => void): void {
  const query: unknown = client.query;
  Object.assign(client, {
    query: (...args: unknown[]): unknown => {
      onStatement();
      const result = Reflect.apply(query as () => unknown, client, args);
      onStatement();
      return result;
    },
  });
}

/** For a process that ends and can wait for nothing. */
function killServer(folder: string): void {
  try {
    process.kill(Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0]), 'SIGQUIT');
  } catch {
    // It does not run.
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
