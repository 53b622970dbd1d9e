import type { Findings } from './audit.ts';
import type { CrewCounts } from './crew.ts';

/** What a run has come to. */
export interface Report {
  readonly crew: CrewCounts;
  /** What was done to the store, and how often. */
  readonly disturbances: ReadonlyMap<string, number>;
  readonly findings: Findings;
  readonly acknowledged: number;
  readonly receipts: number;
  readonly violations: readonly string[];
  /** ms. */
  readonly killedFor: number;
  /** ms. */
  readonly peacefulFor: number;
}

/** Violations that are shown in full. */
const SHOWN = 5;

/** Prints it; the last line sums up. */
export function print({ crew, findings, violations, ...sums }: Report): void {
  const { events, deliveries, attempts, lost, late, duplicates, givenUp } = findings;
  const repeated = [...duplicates.values()].reduce((sum, count) => sum + count, 0);
  const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
  for (const violation of violations.slice(0, SHOWN)) console.log(`VIOLATION ${violation}`);
  console.log(`killed ${list(crew.byPlace)}
and ${crew.stops} asked to stop, ${crew.sleeps} put to sleep for longer than a lease; the store: ${list(sums.disturbances)}
errors that workers reported: ${list(crew.errors)}; outcomes not stored at a stop: ${crew.unstored}
${sums.acknowledged} acknowledged events, ${events} stored, ${deliveries} deliveries, ${attempts} attempts (${lost} lost, ${late} late), ${givenUp} at-most-once given up
received again after a 2xx: ${list(duplicates)}
${seconds(sums.killedFor)} s of kills, ${seconds(sums.peacefulFor)} s of peace until nothing waited, ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB in the end
${crew.kills} kills, ${events} events, ${sums.receipts} receipts, ${repeated} duplicates, ${violations.length} violations`);
}

function list(counts: ReadonlyMap<string, number>): string {
  const entries = [...counts].sort(([a], [b]) => a.localeCompare(b));
  return entries.length === 0 ? 'nothing' : entries.map(([name, count]) => `${count} ${name}`).join(', ');
}
