import {
  type Case,
  drainedAll,
  infoRow,
  rate,
  rateRow,
  ratioOfNeighbours,
  ratioRow,
  takeTurns,
  wholeMicros,
} from '../figures.ts';
import type { Bench, Run } from '../harness.ts';
import { Peers } from '../peers/peers.ts';
import { PeersMissing } from '../peers/workshop.ts';
import type { Row, Scenario } from '../scenario.ts';

const EVENTS = 20_000;
const POSTGRES_AIM = 1.15;
const SQLITE_AIM = 1;

/** By the names that ../shared/bench-peers gives them. `limit` is its loop over undici, with 64 requests at a time. */
const CONTENDERS = {
  limit: ['a64', 'undici loop, node:crypto'],
  pgBoss: ['d', 'pg-boss on PostgreSQL'],
  graphile: ['e', 'graphile-worker on PostgreSQL'],
  bullmq: ['c', 'BullMQ on Redis'],
  floorPostgres: ['g', 'simplest queue on PostgreSQL'],
  floorSqlite: ['fn', 'simplest queue on SQLite, NORMAL'],
} as const;
const PEERS = ['pgBoss', 'graphile', 'bullmq'] as const;

/** Every one in fresh processes, one that fills and one that drains; those on PostgreSQL on one server, Debian's 15 as it comes. */
export const peers: Scenario = async (bench, { reps }) => {
  const opened = await Peers.open().catch((thrown: unknown) => {
    if (thrown instanceof PeersMissing) return thrown;
    throw thrown;
  });
  if (opened instanceof PeersMissing) return [{ what: 'skipped', measured: opened.message }];
  await using running = opened;
  return rowsOf(await takeTurns(casesOf(bench, running), reps));
};

type Name = keyof typeof CONTENDERS | 'postgres' | 'sqlite';

function casesOf(bench: Bench, running: Peers): Readonly<Record<Name, Case>> {
  const peer = (name: keyof typeof CONTENDERS): Case =>
    drainedAll(EVENTS, () => running.drain(CONTENDERS[name][0], EVENTS, bench.sink));
  // Neighbours in time are those that are compared.
  return {
    limit: peer('limit'),
    pgBoss: peer('pgBoss'),
    postgres: drainedAll(EVENTS, () =>
      running.withSchema((home) =>
        bench.drainFresh('postgres', { events: EVENTS, home, serverCpuMs: () => running.cpuMs() }),
      ),
    ),
    floorPostgres: peer('floorPostgres'),
    graphile: peer('graphile'),
    bullmq: peer('bullmq'),
    sqlite: drainedAll(EVENTS, () => bench.drainFresh('sqlite', { events: EVENTS })),
    floorSqlite: peer('floorSqlite'),
  };
}

function rowsOf(runs: Readonly<Record<Name, readonly Run[]>>): Row[] {
  const against = (of: Name, to: Name): number => ratioOfNeighbours(runs[of], runs[to], rate);
  const row = (what: string, name: Name): Row => {
    const { measured } = rateRow(what, runs[name]);
    return { what, measured: `${against(name, 'limit').toFixed(2)} of the limit: ${measured}` };
  };
  const names = Object.keys(CONTENDERS) as (keyof typeof CONTENDERS)[];
  const best = (of: Name, to: readonly Name[]): number => Math.min(...to.map((name) => against(of, name)));
  return [
    ...names.map((name) => row(CONTENDERS[name][1], name)),
    row('surehook on PostgreSQL', 'postgres'),
    row('surehook on SQLite', 'sqlite'),
    ratioRow('surehook on PostgreSQL / best peer', best('postgres', PEERS), POSTGRES_AIM),
    infoRow('surehook on PostgreSQL / simplest queue', against('postgres', 'floorPostgres')),
    infoRow("best peer's CPU / surehook's on PostgreSQL, server's included", cheapest(runs)),
    ratioRow('surehook on SQLite / best peer', best('sqlite', PEERS), SQLITE_AIM),
    ratioRow('surehook on SQLite / simplest queue', against('sqlite', 'floorSqlite'), SQLITE_AIM),
    ...(['postgres', 'sqlite'] as const).map((name) => addedRatio(name, runs)),
  ];
}

function cheapest(runs: Readonly<Record<Name, readonly Run[]>>): number {
  return Math.min(...PEERS.map((name) => ratioOfNeighbours(runs[name], runs.postgres, wholeMicros)));
}

function addedRatio(name: 'postgres' | 'sqlite', runs: Readonly<Record<Name, readonly Run[]>>): Row {
  const floor = name === 'postgres' ? runs.floorPostgres : runs.floorSqlite;
  const reached = ratioOfNeighbours(runs[name], floor, (run) => run.addedPerSecond);
  return ratioRow(`published in bulk, ${name} / simplest queue`, reached, 0.8);
}
