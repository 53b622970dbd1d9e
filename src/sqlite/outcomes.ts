import type { OutcomeTally } from '../domain/tally.ts';
import { type TallyColumns, tallyOf, tallyText } from '../sql/tally-columns.ts';
import type { Statements } from './statements.ts';

const PUT = `INSERT INTO surehook_outcomes (webhook_id, starts_at, writer, data) VALUES (?, ?, ?, ?)
  ON CONFLICT (webhook_id, starts_at, writer) DO UPDATE SET data = excluded.data`;
const OF_WEBHOOK = `SELECT webhook_id, starts_at, writer, data FROM surehook_outcomes
  WHERE webhook_id = ? AND starts_at >= ?`;
const PRUNE = `DELETE FROM surehook_outcomes WHERE (webhook_id, starts_at, writer) IN (
  SELECT webhook_id, starts_at, writer FROM surehook_outcomes WHERE starts_at < ? ORDER BY starts_at LIMIT ?)`;

/** Stores a tally in the place of the earlier one. */
export function putTally(sql: Statements, tally: OutcomeTally): void {
  sql.run(PUT, tally.webhookId, tally.startsAt, tally.writer, tallyText(tally));
}

/** The tallies of a webhook from an instant on. */
export function talliesOf(
  sql: Statements,
  { webhookId, since }: { readonly webhookId: string; readonly since: number },
): OutcomeTally[] {
  return sql.all<TallyColumns>(OF_WEBHOOK, webhookId, since).map(tallyOf);
}

/** Removes tallies whose period started before an instant. Returns whether there may be more of them. */
export function pruneTallies(sql: Statements, before: number, limit: number): boolean {
  return sql.run(PRUNE, before, limit) >= limit;
}
