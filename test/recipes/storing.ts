/** Recipes about storage. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { createSurehook, memoryRepos, type Repos } from '../../src/index.ts';
import type { PostgresRepos } from '../../src/postgres/index.ts';
import type { SqliteRepos } from '../../src/sqlite/index.ts';
import { hook } from '../engine/harness.ts';
import { emptied } from './database.ts';
import type { Trial } from './recipe.ts';
import { workerOn } from './worker.ts';

/** An event goes in, and is delivered by another surehook on the same repos. */
async function deliversOn(repos: Repos): Promise<void> {
  const { surehook, transport } = await workerOn(repos);
  await hook(surehook);
  await createSurehook({ repos }).publish({ type: 'a.b', data: 1 });
  await expect.poll(() => transport.requests.length).toBe(1);
}

const sqlite: Trial = async (recipe) => {
  const folder = mkdtempSync(join(tmpdir(), 'surehook-recipe-'));
  const back = process.cwd();
  process.chdir(folder);
  onTestFinished(() => {
    process.chdir(back);
    rmSync(folder, { recursive: true });
  });
  const { repos } = await recipe.run<{ readonly repos: SqliteRepos }>({}, ['repos']);
  onTestFinished(() => repos.close());
  await deliversOn(repos);
};

interface Opened {
  readonly pool: pg.Pool;
  readonly repos: PostgresRepos;
}

const postgres: Trial = async (recipe) => {
  const { config } = await emptied();
  const env = { DATABASE_URL: `postgres://${config.user}@${config.host}:${config.port}/${config.database}` };
  const run = async (): Promise<PostgresRepos> => {
    const { pool, repos } = await recipe.run<Opened>({ process: { env } }, ['pool', 'repos']);
    onTestFinished(async () => {
      await repos.close();
      await pool.end();
    });
    return repos;
  };
  // Both migrate, at once.
  const [repos] = await Promise.all([run(), run()]);
  await deliversOn(repos);
};

type Registered = readonly [name: string, run: () => Promise<void>];

const adapter: Trial = async (recipe) => {
  const registered: Registered[] = [];
  const test = (...one: Registered): void => void registered.push(one);
  const emptyDatabase = async () => ({ repos: memoryRepos(), drop: () => {} });
  const myRepos = ({ repos }: { readonly repos: Repos }): Repos => repos;
  await recipe.run({ emptyDatabase, myRepos }, [], { vitest: async () => ({ test }) });
  const [law] = registered;
  const history = registered.at(-1);
  expect([registered.length > 240, law?.[0], history?.[0]]).toEqual([
    true,
    expect.any(String),
    expect.any(String),
  ]);
  await law?.[1]();
  await history?.[1]();
};

export const storing: Readonly<Record<string, Trial>> = {
  Storage: sqlite,
  'Storage 2': postgres,
  'Testing an adapter': adapter,
};
