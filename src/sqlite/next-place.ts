import type { Statements } from './statements.ts';

const NEXT = `SELECT max(
  coalesce((SELECT seq + max(1, fan_out) FROM surehook_events ORDER BY seq DESC LIMIT 1), 1),
  coalesce((SELECT value FROM surehook_numbers WHERE name = 'next-place'), 1)) AS seq`;
const KEEP = `INSERT INTO surehook_numbers VALUES ('next-place', ?)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value`;

/** The first place that nothing has or ever had: a claim is known by its place and its token. */
export function nextPlace(sql: Statements): number {
  return sql.get<{ seq: number }>(NEXT)?.seq ?? 1;
}

/** The first place behind an event and its deliveries. An event without any takes one place too. */
export function behind(seq: number, fanOut: number): number {
  return seq + Math.max(1, fanOut);
}

/** To be called before events go, because the last of them may be among these. Must be run in a transaction. */
export function keepNextPlace(sql: Statements): void {
  sql.run(KEEP, nextPlace(sql));
}
