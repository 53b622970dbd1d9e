import { describe, expect, it } from 'vitest';
import { type PostgresPool, postgresRepos, transactionOf } from '../../src/postgres/index.ts';
import { anEntry } from '../../src/testing/contract/records.ts';

const pool: PostgresPool = { query: async () => ({ rows: [] }), connect: async () => undefined };
const repos = postgresRepos(pool, { notifications: false });

/** What an append in a transaction rejects with whose every statement fails with this error. */
async function refusal(error: unknown): Promise<unknown> {
  const tx = transactionOf(() => Promise.reject(error));
  return repos.events.append([anEntry()], { now: 0, tx }).then(
    () => undefined,
    (refused: unknown) => refused,
  );
}

const noTransaction = Object.assign(new Error('SAVEPOINT can only be used in transaction blocks'), {
  code: '25P01',
});
const ofPrisma7 = { driverAdapterError: { cause: { originalCode: '25P01', kind: 'postgres' } } };

describe('an error of a library that wraps those of its driver', () => {
  it.each([
    ['Drizzle', new Error('Failed query', { cause: noTransaction })],
    ['Prisma 7', Object.assign(new Error('Raw query failed'), { code: 'P2010', meta: ofPrisma7 })],
    ['Prisma 6', Object.assign(new Error('Raw query failed'), { code: 'P2010', meta: { code: '25P01' } })],
  ])('tells that there is no transaction: %s', async (_, error) => {
    const refused = await refusal(error);
    expect(refused).toBeInstanceOf(TypeError);
    expect(String(refused)).toMatch(/tx is not in a transaction/);
  });

  it('is replaced by what it wraps, because its own message may have the parameters', async () => {
    const inner = Object.assign(new Error('the server is out of space'), { code: '53100', detail: 'a row' });
    const outer = Object.assign(new Error('Failed query\nparams: hunter2', { cause: inner }), {
      params: ['hunter2'],
    });
    expect(await refusal(outer)).toBe(inner);
    expect(inner).not.toHaveProperty('detail');
  });

  it('is told again without the fields that cannot be deleted', async () => {
    const error = Object.defineProperty(new Error('no'), 'parameters', {
      value: ['hunter2'],
      enumerable: true,
    });
    const refused = await refusal(Object.assign(error, { code: '53100' }));
    expect(refused).toMatchObject({ message: 'no', code: '53100' });
    expect(refused).not.toHaveProperty('parameters');
  });

  it.each([undefined, null, 'text', { cause: null }])('may be %j', async (error) => {
    expect(await refusal(error)).toBe(error);
  });

  it('may wrap itself', async () => {
    const error = new Error('no');
    error.cause = error;
    expect(await refusal(error)).toBe(error);
  });
});
