import { attemptKinds } from '../sql/attempt-columns.ts';
import { HELD_BACK } from '../sql/codes.ts';
import { openTurnsFunction } from './line.ts';
import { quoted } from './schema-name.ts';

/**
 * All that was ever done to a schema, in order; the number of a migration is its place, counted from 1. What was once
 * released is never changed: add one instead. Each is one text of several statements.
 */
export const migrations: readonly ((schema: string) => string)[] = [first];

/**
 * - `events`: immutable. `delivery_ids` is JSON text, so that the deliveries of an event need no index of their own. `is_text` is explained in bodies.ts.
 * - `deliveries`: changed twice for each attempt, so every index here costs three times per delivery: there is one for the
 *   key and one for the place where it waits. `wake_at` is `due_at` while it waits, the end of its lease while it is
 *   leased, and null otherwise. `seq` is the order of append, `marked` that of marking for replay. Deliveries without an ordering key and a batch
 *   are in none of the indexes of those; `line_place` is explained in line.ts.
 * - `folds`: see folds.ts; the views `current_deliveries` and `current_attempts` are for whoever reads: they have what stands in folds, whose rows they look up one by one.
 * - `listings`: immutable; the orders in which deliveries are listed, and the bodies of those that have one of their own, kept away from the rows that
 *   change. `body_length` of a delivery is null where it has none: nobody looks for it then.
 * - `buckets`: behind `full_minute` is the last request, and what it got: an upsert sees no more of a request than what it stores. The index is by the
 *   minute: a take then seldom changes what is indexed, and the row stays on its page.
 * - Instants are epoch ms. Codes are those of src/sql/codes.ts. Text sorts by code point.
 *
 * Claims leave dead entries at the head of the index they read; vacuum is told to come early and to hurry.
 */
function first(name: string): string {
  const s = quoted(name);
  const busy =
    'autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0';
  return `
    CREATE TABLE ${s}.events (
      id text COLLATE "C" PRIMARY KEY,
      tenant_id text COLLATE "C" NOT NULL,
      type text COLLATE "C" NOT NULL,
      body bytea NOT NULL,
      is_text boolean NOT NULL,
      created_at bigint NOT NULL,
      idempotency_key text COLLATE "C",
      fingerprint text COLLATE "C" NOT NULL,
      extra text,
      delivery_ids text NOT NULL
    );
    CREATE UNIQUE INDEX events_key ON ${s}.events (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
    CREATE INDEX events_unheard ON ${s}.events (created_at) WHERE delivery_ids = '[]';

    CREATE TABLE ${s}.deliveries (
      id text COLLATE "C" PRIMARY KEY,
      event_id text COLLATE "C" NOT NULL,
      webhook_id text COLLATE "C" NOT NULL,
      tenant_id text COLLATE "C" NOT NULL,
      event_type text COLLATE "C" NOT NULL,
      created_at bigint NOT NULL,
      seq bigint GENERATED ALWAYS AS IDENTITY,
      due_at bigint NOT NULL,
      wake_at bigint,
      lease_until bigint,
      claimed_at bigint,
      completed_at bigint,
      token bigint NOT NULL,
      marked bigint,
      attempts integer NOT NULL,
      tries integer NOT NULL,
      lost integer NOT NULL,
      status smallint NOT NULL,
      reason smallint,
      queue smallint NOT NULL,
      stripped boolean NOT NULL DEFAULT false,
      line_place smallint,
      refusals integer,
      batch_size integer,
      batch_id text COLLATE "C",
      ordering_key text COLLATE "C",
      body_length integer,
      fold bigint
    ) WITH (${busy});
    CREATE INDEX deliveries_express ON ${s}.deliveries (wake_at, seq) WHERE queue = 0 AND wake_at IS NOT NULL;
    CREATE INDEX deliveries_own ON ${s}.deliveries (webhook_id, wake_at, seq) WHERE queue = 1 AND wake_at IS NOT NULL;
    CREATE INDEX deliveries_ended ON ${s}.deliveries (status, stripped, completed_at) WHERE completed_at IS NOT NULL;
    CREATE INDEX deliveries_dead ON ${s}.deliveries (created_at, id) WHERE status = 4;
    CREATE INDEX deliveries_dead_webhook ON ${s}.deliveries (webhook_id, created_at, id) WHERE status = 4;
    CREATE INDEX deliveries_marked ON ${s}.deliveries (marked) WHERE marked IS NOT NULL;
    CREATE INDEX deliveries_line ON ${s}.deliveries (webhook_id, ordering_key, line_place, seq) WHERE line_place IS NOT NULL;
    CREATE INDEX deliveries_held ON ${s}.deliveries (webhook_id, ordering_key, seq) WHERE wake_at = ${HELD_BACK};
    CREATE UNIQUE INDEX deliveries_turn ON ${s}.deliveries (webhook_id, ordering_key) WHERE line_place = 0;
    CREATE INDEX deliveries_batch ON ${s}.deliveries (batch_id) WHERE batch_id IS NOT NULL AND wake_at IS NOT NULL;
    CREATE SEQUENCE ${s}.replay_marks;

    CREATE SEQUENCE ${s}.fold_numbers;
    CREATE TABLE ${s}.folds (
      nr bigint PRIMARY KEY,
      members text[] COLLATE "C" NOT NULL,
      tokens bigint[] NOT NULL,
      lease_until bigint,
      completed_at bigint,
      attempts smallint NOT NULL DEFAULT 0,
      tries smallint NOT NULL DEFAULT 0,
      stripped boolean NOT NULL DEFAULT false,
      data text
    ) WITH (${busy});
    CREATE INDEX folds_open ON ${s}.folds (nr) WHERE completed_at IS NULL;
    CREATE INDEX folds_ended ON ${s}.folds (stripped, completed_at) WHERE completed_at IS NOT NULL;
    CREATE VIEW ${s}.current_deliveries AS
    SELECT d.id, d.event_id, d.webhook_id, d.tenant_id, d.event_type, d.created_at, d.seq, d.due_at, d.wake_at, d.token, d.marked, d.lost, d.reason,
      d.queue, d.line_place, d.refusals, d.batch_size, d.batch_id, d.ordering_key, d.body_length, d.fold,
      CASE WHEN f.completed_at IS NULL THEN d.status ELSE 3 END AS status, coalesce(f.lease_until, d.lease_until) AS lease_until,
      coalesce(f.completed_at, d.completed_at) AS completed_at, d.attempts + coalesce(f.attempts, 0) AS attempts, d.tries + coalesce(f.tries, 0) AS tries
    FROM ${s}.deliveries d LEFT JOIN LATERAL (SELECT * FROM ${s}.folds f WHERE f.nr = d.fold LIMIT 1) f ON true;
    ${openTurnsFunction(name)};

    CREATE TABLE ${s}.listings (
      delivery_id text COLLATE "C" NOT NULL,
      webhook_id text COLLATE "C" NOT NULL,
      tenant_id text COLLATE "C" NOT NULL,
      event_type text COLLATE "C" NOT NULL,
      created_at bigint NOT NULL,
      body bytea
    );
    CREATE INDEX listings_all ON ${s}.listings (created_at, delivery_id);
    CREATE INDEX listings_tenant ON ${s}.listings (tenant_id, created_at, delivery_id);
    CREATE INDEX listings_webhook ON ${s}.listings (webhook_id, created_at, delivery_id);

    CREATE TABLE ${s}.attempts (
      delivery_id text COLLATE "C" NOT NULL,
      number integer NOT NULL,
      token bigint NOT NULL,
      kind smallint NOT NULL,
      data text NOT NULL,
      PRIMARY KEY (delivery_id, number)
    );
    CREATE VIEW ${s}.current_attempts AS
    SELECT delivery_id, number, token, kind, data FROM ${s}.attempts
    UNION ALL
    SELECT d.id, d.attempts + 1, d.token, ${attemptKinds.settled}::smallint, f.data
    FROM ${s}.deliveries d CROSS JOIN LATERAL (SELECT f.data FROM ${s}.folds f WHERE f.nr = d.fold LIMIT 1) f WHERE f.data IS NOT NULL;

    CREATE TABLE ${s}.webhooks (
      id text COLLATE "C" PRIMARY KEY,
      tenant_id text COLLATE "C" NOT NULL,
      created_at bigint NOT NULL,
      revision bigint NOT NULL,
      status text COLLATE "C" NOT NULL,
      config text NOT NULL,
      patterns text[] COLLATE "C" NOT NULL
    );
    CREATE INDEX webhooks_patterns ON ${s}.webhooks USING gin (patterns) WITH (fastupdate = off);
    CREATE INDEX webhooks_all ON ${s}.webhooks (created_at, id);
    CREATE INDEX webhooks_tenant ON ${s}.webhooks (tenant_id, created_at, id);

    CREATE TABLE ${s}.queues (
      webhook_id text COLLATE "C" PRIMARY KEY,
      failures integer NOT NULL,
      not_before bigint NOT NULL,
      next_at bigint,
      wakes bigint NOT NULL,
      token bigint NOT NULL,
      lease_until bigint,
      closed boolean NOT NULL DEFAULT false
    ) WITH (${busy});
    CREATE INDEX queues_healthy ON ${s}.queues (next_at) WHERE next_at IS NOT NULL AND failures = 0;
    CREATE INDEX queues_failing ON ${s}.queues (next_at) WHERE next_at IS NOT NULL AND failures > 0;
    CREATE INDEX queues_leased ON ${s}.queues (lease_until) WHERE next_at IS NOT NULL AND lease_until IS NOT NULL;

    CREATE TABLE ${s}.buckets (
      name text COLLATE "C" PRIMARY KEY,
      full_at float8 NOT NULL,
      full_minute float8 NOT NULL,
      token_ms float8 NOT NULL,
      burst float8 NOT NULL,
      wanted float8 NOT NULL,
      at_least float8 NOT NULL,
      granted float8 NOT NULL
    ) WITH (fillfactor = 50, ${busy});
    CREATE INDEX buckets_full ON ${s}.buckets (full_minute);

    CREATE TABLE ${s}.outcomes (
      webhook_id text COLLATE "C" NOT NULL,
      starts_at bigint NOT NULL,
      writer text COLLATE "C" NOT NULL,
      data text NOT NULL,
      PRIMARY KEY (webhook_id, starts_at, writer)
    );
    CREATE INDEX outcomes_oldest ON ${s}.outcomes (starts_at);
  `;
}
