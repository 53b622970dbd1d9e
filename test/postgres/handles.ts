import { sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { drizzle as drizzleOverPostgresJs, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import { Client, Pool, type PoolConfig } from 'pg';
import postgres from 'postgres';
import { type PostgresTransaction, transactionOf } from '../../src/postgres/index.ts';

/** A library that a host may use for its own statements. */
export interface Library {
  readonly name: string;
  connect(config: PoolConfig): Promise<Host>;
}

/** A host of that library. */
export interface Host {
  /** Commits when `work` resolves; rolls back and rejects as `work` did when that rejects. */
  transaction(work: (transaction: HostsTransaction) => Promise<void>): Promise<void>;
  /** What is made just as a handle is, but of something in no transaction. */
  readonly outside: PostgresTransaction;
  close(): Promise<void>;
}

/** A transaction under way. */
interface HostsTransaction {
  /** As `publish` takes it: the recipe of the README. */
  readonly tx: PostgresTransaction;
  /** Runs a statement of the host's, with the library's own means. */
  run(statement: string): Promise<unknown>;
}

// ---------------------------------------------------------------------------------------------- the recipes of the README

function ofPostgresJs(sql: postgres.ISql): PostgresTransaction {
  return transactionOf((text, values) => sql.unsafe(text, values));
}

function ofKysely(trx: Kysely<unknown>): PostgresTransaction {
  return transactionOf(
    async (text, values) => (await trx.executeQuery(CompiledQuery.raw(text, values))).rows,
  );
}

function ofDrizzle(tx: Pick<NodePgDatabase, 'execute'>): PostgresTransaction {
  return transactionOf(async (text, values) => {
    const parts = text
      .split(/\$(\d+)/)
      .map((part, n) => (n % 2 ? sql.param(values[+part - 1]) : sql.raw(part)));
    return (await tx.execute(sql.join(parts))).rows;
  });
}

function ofDrizzleOverPostgresJs(tx: Pick<PostgresJsDatabase, 'execute'>): PostgresTransaction {
  return transactionOf(async (text, values) => {
    const parts = text
      .split(/\$(\d+)/)
      .map((part, n) => (n % 2 ? sql.param(values[+part - 1]) : sql.raw(part)));
    return await tx.execute(sql.join(parts));
  });
}

// ---------------------------------------------------------------------------------------------- the libraries

/** What a client of `pg` asks of its host: the transaction itself. */
async function between(
  client: Pick<Client, 'query'>,
  work: (transaction: HostsTransaction) => Promise<void>,
): Promise<void> {
  await client.query('BEGIN');
  try {
    await work({ tx: client, run: (statement) => client.query(statement) });
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

const pgClient: Library = {
  name: 'a Client of pg',
  connect: async (config) => {
    const clients: Client[] = [];
    const open = async (): Promise<Client> => {
      const client = new Client(config);
      clients.push(client);
      await client.connect();
      return client;
    };
    return {
      transaction: async (work) => between(await open(), work),
      outside: await open(),
      close: async () => void (await Promise.all(clients.map((client) => client.end()))),
    };
  },
};

const pgPool: Library = {
  name: 'a client of a Pool of pg',
  connect: async (config) => {
    const pool = new Pool(config);
    const outside = await pool.connect();
    return {
      transaction: async (work) => {
        const client = await pool.connect();
        await between(client, work).finally(() => client.release());
      },
      outside,
      close: async () => {
        outside.release();
        await pool.end();
      },
    };
  },
};

function postgresJsClient({ host, port, user, database }: PoolConfig): postgres.Sql {
  return postgres({ host, port, user, database } as postgres.Options<Record<string, never>>);
}

const postgresJs: Library = {
  name: 'postgres.js',
  connect: async (config) => {
    const db = postgresJsClient(config);
    return {
      transaction: async (work) =>
        void (await db.begin((own) => work({ tx: ofPostgresJs(own), run: (text) => own.unsafe(text) }))),
      outside: ofPostgresJs(db),
      close: () => db.end(),
    };
  },
};

const kysely: Library = {
  name: 'Kysely',
  connect: async (config) => {
    const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: new Pool(config) }) });
    return {
      transaction: (work) =>
        db
          .transaction()
          .execute((trx) =>
            work({ tx: ofKysely(trx), run: (text) => trx.executeQuery(CompiledQuery.raw(text)) }),
          ),
      outside: ofKysely(db),
      close: () => db.destroy(),
    };
  },
};

const drizzleOfPg: Library = {
  name: 'Drizzle over pg',
  connect: async (config) => {
    const pool = new Pool(config);
    const db = drizzle({ client: pool });
    return {
      transaction: (work) =>
        db.transaction((tx) => work({ tx: ofDrizzle(tx), run: (text) => tx.execute(text) })),
      outside: ofDrizzle(db),
      close: () => pool.end(),
    };
  },
};

const drizzleOfPostgresJs: Library = {
  name: 'Drizzle over postgres.js',
  connect: async (config) => {
    const client = postgresJsClient(config);
    const db = drizzleOverPostgresJs({ client });
    return {
      transaction: (work) =>
        db.transaction((tx) => work({ tx: ofDrizzleOverPostgresJs(tx), run: (text) => tx.execute(text) })),
      outside: ofDrizzleOverPostgresJs(db),
      close: () => client.end(),
    };
  },
};

/** The handles that the README tells of. */
export const libraries: readonly Library[] = [
  pgClient,
  pgPool,
  postgresJs,
  kysely,
  drizzleOfPg,
  drizzleOfPostgresJs,
];
