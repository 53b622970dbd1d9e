import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OnText, type Outcome, runExample } from './run-example.ts';

let folder = '';
let file = '';
let receivedFile = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'surehook-example-'));
  file = join(folder, 'orders.db');
  receivedFile = `${file}.received`;
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the shop to its end. */
function runShop(args: readonly string[], onText?: OnText): Promise<Outcome> {
  return runExample('sqlite', { args: [file, ...args] }, onText);
}

/** Ends the shop by a signal once it has printed that it placed so many orders. */
function endAfter(orders: number, signal: NodeJS.Signals): (text: string, child: ChildProcess) => void {
  let isSent = false;
  return (text, child) => {
    if (isSent || (text.match(/^placed: /gm)?.length ?? 0) < orders) return;
    isSent = true;
    child.kill(signal);
  };
}

function placedOrders(): string[] {
  const db = new DatabaseSync(file);
  const rows = db.prepare('SELECT id FROM orders').all();
  db.close();
  return rows.map(({ id }) => String(id)).sort();
}

function receivedOrders(): string[] {
  return [...new Set(readFileSync(receivedFile, 'utf8').trimEnd().split('\n'))].sort();
}

function foundBy({ stdout }: Outcome): { orders: number; waiting: number } {
  const [, orders, waiting] =
    /^found in .*: orders (\d+), received \d+, again \d+, waiting (\d+)$/m.exec(stdout) ?? [];
  return { orders: Number(orders), waiting: Number(waiting) };
}

describe('the shop on SQLite', { timeout: 40_000 }, () => {
  it('has delivered the event of every order, after two times SIGKILL and one time SIGINT', async () => {
    const first = await runShop([], endAfter(4, 'SIGKILL'));
    expect(first).toMatchObject({ killedBy: 'SIGKILL', stderr: '' });
    expect(foundBy(first)).toEqual({ orders: 0, waiting: 0 });
    const afterFirst = placedOrders();
    expect(afterFirst.length).toBeGreaterThanOrEqual(4);

    const second = await runShop(['--check'], endAfter(8, 'SIGKILL'));
    expect(second).toMatchObject({ killedBy: 'SIGKILL', stderr: '' });
    expect(foundBy(second).orders).toBe(afterFirst.length);
    const afterSecond = placedOrders();
    expect(afterSecond).toEqual(expect.arrayContaining(afterFirst));

    const third = await runShop([], endAfter(2, 'SIGINT'));
    expect(third).toMatchObject({ status: 0, killedBy: null, stderr: '' });
    expect(third.stdout).toMatch(/^stopped: /m);
    expect(foundBy(third).orders).toBe(afterSecond.length);
    // The kill came in the middle.
    expect(foundBy(third).waiting).toBeGreaterThan(0);

    const last = await runShop(['--check']);
    expect(last).toMatchObject({ status: 0, stderr: '' });
    const placed = placedOrders();
    expect(last.stdout).toContain(`ok     0 of ${placed.length} orders lost, 0 events without an order\n`);
    expect(last.stdout).toMatch(/^stopped: .* waiting 0$/m);
    expect(placed).toEqual(expect.arrayContaining(afterSecond));
    expect(receivedOrders()).toEqual(placed);
  });

  it('says so when an event did not come, and when one came without its order', async () => {
    await runShop(['--check']);
    const [, ...rest] = receivedOrders();
    writeFileSync(receivedFile, `${[...rest, 'no such order'].join('\n')}\n`);
    const { status, stdout } = await runShop(['--check']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^FAILED 1 of \d+ orders lost, 1 events without an order$/m);
  });
});
