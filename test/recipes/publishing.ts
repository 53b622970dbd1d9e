/** Recipes of those who publish. */
import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, vi } from 'vitest';
import {
  ConflictError,
  HostCodeError,
  memoryRepos,
  RateLimitedError,
  type Surehook,
} from '../../src/index.ts';
import { bench, hook, rejection, running, url } from '../engine/harness.ts';
import { database, type Payments } from './database.ts';
import type { Recipe, Trial } from './recipe.ts';
import { workerOn } from './worker.ts';

interface Made {
  readonly surehook: Surehook;
}

const invoice = { id: 'inv_1', total: 5 };

const inYourApp: Trial = async (recipe) => {
  const process = Object.assign(new EventEmitter(), { exit: vi.fn() });
  const error = vi.fn();
  const { surehook } = await recipe.run<Made>({ repos: memoryRepos(), process, log: { error } }, [
    'surehook',
  ]);
  surehook.on('event:published', () => {
    throw new Error('listener');
  });
  await surehook.publish({ type: 'invoice.paid', data: invoice });
  expect(error.mock.calls).toEqual([[expect.any(HostCodeError)]]);
  expect(surehook.stats().running).toBe(true);
  process.emit('SIGTERM');
  await expect.poll(() => process.exit.mock.calls).toEqual([[]]);
  expect(surehook.stats().running).toBe(false);
};

const once: Trial = async (recipe) => {
  const { surehook, log, transport } = await running();
  await hook(surehook);
  await recipe.run({ surehook, invoice });
  await recipe.run({ surehook, invoice: { ...invoice } });
  expect(await rejection(recipe.run({ surehook, invoice: { ...invoice, total: 6 } }))).toBeInstanceOf(
    ConflictError,
  );
  await surehook.idle();
  expect([log.of('event:published').length, transport.requests.length]).toEqual([1, 1]);
};

const inTransaction: Trial = async (recipe) => {
  const { surehook, transport, paid, pool } = await database();
  const client = await pool.connect();
  onTestFinished(() => client.release());
  const undoing = {
    query: (text: string, values: unknown[]) => client.query(text === 'COMMIT' ? 'ROLLBACK' : text, values),
  };
  await recipe.run({ surehook, invoice, client: undoing });
  expect([await paid(), (await surehook.deliveries.list()).items]).toEqual([[], []]);
  await recipe.run({ surehook, invoice, client });
  expect(await paid()).toEqual([invoice.id]);
  await expect
    .poll(() => transport.requests.map((request) => request.text()))
    .toEqual([expect.stringContaining('inv_1')]);
  expect(await rejection(surehook.publish({ type: 'invoice.paid', data: 1 }, { tx: client }))).toBeInstanceOf(
    TypeError,
  );
};

/** Of each library, one transaction that commits and one that does not. */
function inTransactionsOf(names: readonly (keyof Payments['libraries'])[]): Trial {
  return async (recipe) => {
    const { surehook, libraries } = await database();
    const event = { type: 'invoice.paid', data: invoice };
    await recipe.run({ surehook, event, ...libraries });
    expect((await surehook.deliveries.list()).items.length).toBe(names.length);
  };
}

const run = promisify(execFile);

/** What the compiler says of a block below some lines. */
async function compiled(recipe: Recipe, lines: string): Promise<void> {
  const folder = resolve('node_modules/.cache/surehook-recipes');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'catalog.ts');
  writeFileSync(file, `${lines}\n${recipe.text}`);
  const flags =
    '--ignoreConfig --noEmit --strict --skipLibCheck --target esnext --module nodenext --types node --allowImportingTsExtensions';
  await run(resolve('node_modules/.bin/tsc'), [
    ...flags.split(' '),
    resolve('src/http/undici-client.d.ts'),
    file,
  ]).catch(({ stdout }) => expect.unreachable(String(stdout)));
}

const named: Trial = async (recipe) => {
  const [{ z }, v] = await Promise.all([import('zod'), import('valibot')]);
  const repos = memoryRepos();
  const error = await rejection(recipe.run({ repos, z, v }));
  expect(error).toMatchObject({
    code: 'invalid-event',
    field: 'data.total',
    issues: [{ path: 'data.total' }],
  });
  await compiled(
    recipe,
    `import * as v from 'valibot';\nimport { z } from 'zod';\nimport { createSurehook, memoryRepos } from '${resolve('src/index.ts')}';\nconst repos = memoryRepos();`,
  );
};

const shaped: Trial = async (recipe) => {
  const repos = memoryRepos();
  const { surehook } = await recipe.run<Made>({ repos }, ['surehook']);
  const { surehook: worker, transport } = await workerOn(repos);
  await hook(surehook, 'partner', { ownerId: 'partner' });
  await hook(surehook, 'own', { ownerId: 'us' });
  await surehook.publish({ type: 'invoice.paid', data: invoice });
  await worker.idle();
  const sent = (name: string): unknown => JSON.parse(transport.to(url(name))[0]?.text() ?? '').data;
  expect([sent('partner'), sent('own')]).toEqual([{ id: invoice.id }, invoice]);
};

const filtered: Trial = async (recipe) => {
  const { surehook } = bench();
  await recipe.run({ surehook });
  const filteredOf = async (data: unknown): Promise<number> =>
    (await surehook.publish({ type: 'invoice.paid', data })).filtered;
  expect(await filteredOf({ currency: 'eur', total: 1_000 })).toBe(0);
  expect(await filteredOf({ currency: 'eur', total: 999 })).toBe(1);
  expect(await filteredOf({ currency: 'eur', total: '1000' })).toBe(1);
};

const limited: Trial = async (recipe) => {
  const repos = memoryRepos();
  const [one, other] = [
    await recipe.run<Made>({ repos }, ['surehook']),
    await recipe.run<Made>({ repos }, ['surehook']),
  ];
  const events = (count: number) => Array.from({ length: count }, () => ({ type: 'a.b', data: 1 }));
  await one.surehook.publishMany(events(198));
  const error = await rejection(other.surehook.publishMany(events(5)));
  expect(error).toBeInstanceOf(RateLimitedError);
  expect(error).toMatchObject({ tenantId: 'default', retryAfterMs: expect.any(Number) });
  await other.surehook.publishMany(events(2));
};

export const publishing: Readonly<Record<string, Trial>> = {
  'In your app': inYourApp,
  'Publish once': once,
  'Publish in your transaction': inTransaction,
  'Publish in your transaction 2': inTransactionsOf(['postgresJs', 'kysely', 'prisma']),
  'Publish in your transaction 3': inTransactionsOf(['drizzle']),
  'Name your events': named,
  'Give each webhook its own': shaped,
  Filter: filtered,
  'Limit a tenant': limited,
};
