import type { Statements } from './statements.ts';

const LAST = 'SELECT seq, fan_out FROM surehook_events ORDER BY seq DESC LIMIT 1';
const KEPT = "SELECT value FROM surehook_numbers WHERE name = 'next-place'";
const KEEP =
  "INSERT INTO surehook_numbers VALUES ('next-place', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/** The first place that nothing has or ever had: a claim is known by its place and its token. */
export function nextPlace(sql: Statements): number {
  const last = sql.get<{ seq: number; fan_out: number }>(LAST);
  const kept = sql.get<{ value: number }>(KEPT)?.value ?? 1;
  return last === undefined ? kept : Math.max(kept, behind(last.seq, last.fan_out));
}

/** The first place behind an event and its deliveries. An event without any takes one place too. */
export function behind(seq: number, fanOut: number): number {
  return seq + Math.max(1, fanOut);
}

/** To be called before events go: the last of them may be among these. Must be run in a transaction. */
export function keepNextPlace(sql: Statements): void {
  sql.run(KEEP, nextPlace(sql));
}
