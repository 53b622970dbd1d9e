/**
 * The tables, as numbered steps. A step that was released never changes: a change is a new step. Each is run once, in the
 * transaction that records it in `surehook_migrations`.
 *
 * - `seq` is the order of append. An event takes the numbers from its own `seq` on, one for each of its `fan_out` deliveries, so
 *   that the deliveries of an event are a range and need no index. A number is never given twice: `next-place` of `surehook_numbers` outlives
 *   the last event.
 * - `wake_at` is when a delivery can be claimed next: `due_at` while it waits, the end of the lease while it is leased, null in
 *   every other status. The two queues are partial indexes over it, so that a claim reads the head of an index and nothing else.
 * - `place` is null unless a delivery holds its place in the line of its ordering key: 0 while it is delivering, else 1. Whose turn it is is the
 *   first of the line by `place` and `seq`. One whose turn it is not waits with a `wake_at` out of reach, `HELD_BACK` of `codes.ts`.
 * - `marked` numbers the replaying deliveries in the order of their marking.
 * - `body_length` is null unless the delivery has a body of its own, in `surehook_bodies`: nobody looks there for the others.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE surehook_events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL,
    type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    idempotency_key TEXT,
    fingerprint TEXT NOT NULL,
    extra TEXT,
    fan_out INTEGER NOT NULL,
    body BLOB
  );
  CREATE UNIQUE INDEX surehook_events_key ON surehook_events (tenant_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
  CREATE INDEX surehook_events_unheard ON surehook_events (created_at) WHERE fan_out = 0;

  CREATE TABLE surehook_deliveries (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    event_seq INTEGER NOT NULL,
    webhook_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    reason INTEGER,
    queue INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    wake_at INTEGER,
    claimed_at INTEGER,
    token INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    completed_at INTEGER,
    marked INTEGER,
    ordering_key TEXT,
    place INTEGER,
    batch_id TEXT,
    batch_size INTEGER,
    refusals INTEGER,
    body_length INTEGER
  );
  CREATE INDEX surehook_deliveries_express ON surehook_deliveries (wake_at)
    WHERE queue = 0 AND wake_at IS NOT NULL;
  CREATE INDEX surehook_deliveries_own ON surehook_deliveries (webhook_id, wake_at)
    WHERE queue = 1 AND wake_at IS NOT NULL;
  CREATE INDEX surehook_deliveries_ended ON surehook_deliveries (status, completed_at)
    WHERE completed_at IS NOT NULL;
  CREATE INDEX surehook_deliveries_line ON surehook_deliveries (webhook_id, ordering_key, place, seq)
    WHERE place IS NOT NULL;
  CREATE INDEX surehook_deliveries_batch ON surehook_deliveries (batch_id, wake_at)
    WHERE batch_id IS NOT NULL AND wake_at IS NOT NULL;
  CREATE INDEX surehook_deliveries_marked ON surehook_deliveries (marked) WHERE marked IS NOT NULL;
  CREATE INDEX surehook_deliveries_all ON surehook_deliveries (created_at, id);
  CREATE INDEX surehook_deliveries_tenant ON surehook_deliveries (tenant_id, created_at, id);
  CREATE INDEX surehook_deliveries_webhook ON surehook_deliveries (webhook_id, created_at, id);
  CREATE INDEX surehook_deliveries_dead ON surehook_deliveries (created_at, id) WHERE status = 4;
  CREATE INDEX surehook_deliveries_dead_webhook ON surehook_deliveries (webhook_id, created_at, id) WHERE status = 4;

  CREATE TABLE surehook_bodies (delivery_seq INTEGER PRIMARY KEY, body BLOB);

  CREATE TABLE surehook_attempts (
    delivery_seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    token INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (delivery_seq, number)
  ) WITHOUT ROWID;

  CREATE TABLE surehook_webhooks (
    id TEXT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    status TEXT NOT NULL,
    config TEXT NOT NULL
  );
  CREATE INDEX surehook_webhooks_all ON surehook_webhooks (created_at, id);
  CREATE INDEX surehook_webhooks_tenant ON surehook_webhooks (tenant_id, created_at, id);

  CREATE TABLE surehook_subscriptions (
    tenant_id TEXT NOT NULL,
    pattern TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, pattern, webhook_id)
  ) WITHOUT ROWID;

  CREATE TABLE surehook_queues (
    webhook_id TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    next_at INTEGER,
    wakes INTEGER NOT NULL,
    token INTEGER NOT NULL,
    lease_until INTEGER
  ) WITHOUT ROWID;
  CREATE INDEX surehook_queues_healthy ON surehook_queues (next_at)
    WHERE failures = 0 AND lease_until IS NULL AND next_at IS NOT NULL;
  CREATE INDEX surehook_queues_failing ON surehook_queues (next_at)
    WHERE failures <> 0 AND lease_until IS NULL AND next_at IS NOT NULL;
  CREATE INDEX surehook_queues_leased ON surehook_queues (max(next_at, lease_until))
    WHERE lease_until IS NOT NULL;

  CREATE TABLE surehook_buckets (name TEXT NOT NULL PRIMARY KEY, full_at REAL NOT NULL) WITHOUT ROWID;
  CREATE INDEX surehook_buckets_full ON surehook_buckets (full_at);

  CREATE TABLE surehook_outcomes (
    webhook_id TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    writer TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (webhook_id, starts_at, writer)
  ) WITHOUT ROWID;
  CREATE INDEX surehook_outcomes_oldest ON surehook_outcomes (starts_at);

  CREATE TABLE surehook_numbers (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO surehook_numbers VALUES ('closed-queue-token', 0);
  `,
];
