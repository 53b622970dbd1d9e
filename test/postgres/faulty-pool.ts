import type { Pool, PoolClient } from 'pg';
import type { PostgresPool } from '../../src/postgres/index.ts';

/** What happens to one statement. */
export type Fault =
  /** The server refuses it with this code, before it has run; a transaction that it is in is aborted. */
  | { readonly kind: 'refused'; readonly code: string }
  /** The connection breaks before the statement has come to the server, or after it has run: nobody hears of that then. */
  | { readonly kind: 'cut'; readonly phase: 'before' | 'after' };

/** The code of the error that a fault makes. */
export function codeOf(fault: Fault): string {
  return fault.kind === 'refused' ? fault.code : 'ECONNRESET';
}

interface Result {
  rows: unknown[];
}

/** Makes one statement of those that go through it fail, and counts them. */
export class FaultyPool implements PostgresPool {
  statements = 0;
  /** How many connections were given back as good ones, and as broken ones. */
  readonly released = { good: 0, broken: 0 };
  #armed: { readonly at: number; readonly fault: Fault } | undefined;
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Lets the statement of that number from now on fail, counted from 1. */
  arm(at: number, fault: Fault): void {
    this.statements = 0;
    this.#armed = { at, fault };
  }

  /** Ends that. Whether the statement came. */
  disarm(): boolean {
    const wasHit = this.#armed !== undefined && this.statements >= this.#armed.at;
    this.#armed = undefined;
    return wasHit;
  }

  async query(text: string, values?: unknown[]): Promise<Result> {
    const client = await this.connect();
    try {
      return await client.query(text, values);
    } finally {
      client.release(client.isCut);
    }
  }

  async connect(): Promise<FaultyClient> {
    return new FaultyClient(await this.#pool.connect(), this);
  }

  /** The fault of the next statement, if it is its turn. */
  next(): Fault | undefined {
    this.statements += 1;
    return this.statements === this.#armed?.at ? this.#armed.fault : undefined;
  }
}

/** A connection that breaks where its pool says so. */
export class FaultyClient {
  isCut: boolean = false;
  readonly #client: PoolClient;
  readonly #pool: FaultyPool;

  constructor(client: PoolClient, pool: FaultyPool) {
    this.#client = client;
    this.#pool = pool;
  }

  async query(text: string, values: unknown[] = []): Promise<Result> {
    const fault = this.#pool.next();
    if (this.isCut) throw cut();
    if (fault === undefined) return this.#client.query(text, values);
    if (fault.kind === 'refused') return this.#client.query(refusal(fault.code));
    if (fault.phase === 'after') await this.#client.query(text, values).catch(() => {});
    this.isCut = true;
    throw cut();
  }

  release(destroy: boolean = false): void {
    this.#pool.released[destroy ? 'broken' : 'good'] += 1;
    this.#client.release(destroy);
  }
}

function cut(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
}

/** An error of the server's own making: it aborts a transaction as any other does. */
function refusal(code: string): string {
  return `DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '${code}'; END $$`;
}
