/** A PostgreSQL server for the recipes: started when the first one asks for it. */
import { drizzle } from 'drizzle-orm/node-postgres';
import { Kysely, PostgresDialect } from 'kysely';
import type { Pool, PoolClient } from 'pg';
import postgres from 'postgres';
import { afterAll, onTestFinished } from 'vitest';
import { migrate, postgresRepos } from '../../src/postgres/index.ts';
import { hook } from '../engine/harness.ts';
import { startServer, type TestServer } from '../postgres/server.ts';
import { type Worker, workerOn } from './worker.ts';

let started: Promise<TestServer> | undefined;

function startedServer(): Promise<TestServer> {
  started ??= startServer();
  return started;
}

afterAll(async () => await (await started)?.dispose());

/** Something that runs work in a transaction. */
type Begin<Client> = (work: (client: Client) => Promise<void>) => Promise<unknown>;

/** A surehook that delivers from an emptied database with one unpaid invoice. */
export interface Payments extends Worker {
  readonly pool: Pool;
  /** The ids of the invoices that are paid. */
  paid(): Promise<readonly string[]>;
  /** By their names in the README. */
  readonly libraries: {
    readonly postgresJs: postgres.Sql;
    readonly kysely: Kysely<unknown>;
    readonly drizzle: ReturnType<typeof drizzle>;
    /** Of Prisma, which cannot be installed here, what the recipe uses. */
    readonly prisma: {
      readonly $transaction: Begin<{ $queryRawUnsafe(text: string, ...values: unknown[]): Promise<unknown> }>;
    };
  };
}

const TABLES = `
  DROP SCHEMA IF EXISTS surehook CASCADE;
  DROP TABLE IF EXISTS invoices;
  CREATE TABLE invoices (id text, paid boolean);
  INSERT INTO invoices VALUES ('inv_1', false)`;

/** The server, in which there is nothing but one unpaid invoice. */
export async function emptied(): Promise<TestServer> {
  const server = await startedServer();
  const pool = server.pool({ max: 1 });
  await pool.query(TABLES);
  await pool.end();
  return server;
}

export async function database(): Promise<Payments> {
  const server = await emptied();
  const { config } = server;
  const pool = server.pool();
  await migrate(pool);
  const repos = postgresRepos(pool);
  const { host = '', port = 0, user = '', database: name = '' } = config;
  const postgresJs = postgres({ host, port, user, database: name, onnotice: () => {} });
  onTestFinished(async () => {
    await repos.close();
    await postgresJs.end();
  });
  // Stopped before that: what comes last ends first.
  const { surehook, transport } = await workerOn(repos);
  await hook(surehook);
  const prisma: Payments['libraries']['prisma'] = {
    $transaction: (work) =>
      within(pool, (client) =>
        work({ $queryRawUnsafe: async (text, ...values) => (await client.query(text, values)).rows }),
      ),
  };
  return {
    pool,
    surehook,
    transport,
    paid: async () =>
      (await pool.query<{ id: string }>('SELECT id FROM invoices WHERE paid')).rows.map(({ id }) => id),
    libraries: {
      postgresJs,
      kysely: new Kysely({ dialect: new PostgresDialect({ pool }) }),
      drizzle: drizzle({ client: pool }),
      prisma,
    },
  };
}

async function within(pool: Pool, work: (client: PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await work(client);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}
