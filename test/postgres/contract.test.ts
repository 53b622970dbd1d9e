import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type ContractSubject, runContract } from '../../src/testing/index.ts';
import { debianBin, hasDebian, startServer, type TestServer } from './server.ts';
import { withServersClock, withTurnedClock } from './subjects.ts';

/** Starts a server for the laws of this block; `create` makes a subject on it. */
function onServer(
  create: (pool: Pool) => Promise<ContractSubject>,
  bin?: string,
): () => Promise<ContractSubject> {
  let server: TestServer;
  let pool: Pool;
  beforeAll(async () => {
    server = await startServer(bin);
    pool = server.pool({ max: 16 });
  }, 30_000);
  afterAll(() => server.dispose());
  return () => create(pool);
}

describe('the PostgreSQL repos, with a clock that is turned', () => {
  runContract({ test, create: onServer(withTurnedClock) });
});

describe.runIf(hasDebian)('the PostgreSQL repos on PostgreSQL 15, by the server’s own clock', () => {
  runContract({ test, create: onServer(withServersClock, debianBin), leaseMs: 300 });
});
