import { quoted } from './schema-name.ts';

/** What statements are made of: the names of one schema's tables, and how they tell the time. */
export interface Tables {
  readonly schema: string;
  readonly events: string;
  readonly deliveries: string;
  /** The deliveries as they are, whatever of that stands in a fold: a view. */
  readonly current: string;
  /** See folds.ts. */
  readonly folds: string;
  readonly listings: string;
  readonly attempts: string;
  /** All attempts, those in folds included: a view. */
  readonly currentAttempts: string;
  readonly webhooks: string;
  readonly queues: string;
  readonly buckets: string;
  readonly outcomes: string;
  readonly marks: string;
  readonly foldNumbers: string;
  /** The time by the server's clock, epoch ms, as an expression of type bigint that stays the same within a statement. */
  readonly nowMs: string;
}

/** When the server received the statement: all processes of one database share this clock. */
const SERVER_TIME = 'floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint';

/** The tables of a (checked) schema. */
export function tablesOf(schema: string, nowMs: string = SERVER_TIME): Tables {
  const inSchema = (name: string): string => `${quoted(schema)}.${quoted(name)}`;
  return {
    schema,
    events: inSchema('events'),
    deliveries: inSchema('deliveries'),
    current: inSchema('current_deliveries'),
    folds: inSchema('folds'),
    listings: inSchema('listings'),
    attempts: inSchema('attempts'),
    currentAttempts: inSchema('current_attempts'),
    webhooks: inSchema('webhooks'),
    queues: inSchema('queues'),
    buckets: inSchema('buckets'),
    outcomes: inSchema('outcomes'),
    marks: `'${inSchema('replay_marks')}'::regclass`,
    foldNumbers: `'${inSchema('fold_numbers')}'::regclass`,
    nowMs,
  };
}
