/** A planted bug: a text of the sources and what takes its place. */
export interface Mutant {
  readonly name: string;
  readonly patches: readonly Patch[];
}

/** One text, which must be there exactly once. */
interface Patch {
  /** Below `src`. */
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

function mutant(name: string, file: string, find: string, put: string): Mutant {
  return { name, patches: [{ file, find, put }] };
}

/**
 * The bugs that the simulator must find, each small and each of a kind that people make. Those marked `(was)` were in the engine once, and were
 * found by the simulator; others of those come about too rarely to be hunted, and have tests of the engine alone.
 */
export const mutants: readonly Mutant[] = [
  // ------------------------------------------------------------------------------------------ claims and leases
  mutant(
    'claimed rows are dropped when the local queue is full',
    'dispatcher/dispatcher.ts',
    "this.#giveBack(lane, claim, run.accepting ? 'own' : 'express');",
    '',
  ),
  mutant(
    'leases are judged by the clock of the node',
    'memory/store-time.ts',
    'return this.#clock === undefined ? callersNow : this.#clock.now();',
    'return callersNow;',
  ),
  mutant(
    'a claim takes what is not due yet',
    'memory/delivery-queues.ts',
    'const row = queue.takeDue(now);',
    'const row = queue.takeDue(now + 500);',
  ),
  mutant(
    'a request starts whatever is left of its lease',
    'dispatcher/dispatcher.ts',
    'return claim.leaseUntil - now >= longestMs + leaseMs * leaseMargin;',
    'return longestMs + leaseMargin > 0;',
  ),
  mutant(
    'at-most-once is sent again when its lease has run out',
    'dispatcher/triage.ts',
    "webhook.delivery.semantics === 'at-most-once' && lost + tries > 0",
    "webhook.delivery.semantics === 'at-most-once' && tries > 0",
  ),
  mutant(
    'lost claims are never too many',
    'dispatcher/triage.ts',
    'if (lost > maxLost)',
    'if (lost > maxLost + 1_000)',
  ),
  mutant('a stop forgets what it has claimed', 'engine.ts', '    this.#dispatcher.unloadAll();\n', ''),
  // ------------------------------------------------------------------------------------------ settling
  mutant(
    'an outcome is not tried again after a failure of the store',
    'runtime/batch-writer.ts',
    'if (done === undefined) this.#putBack(batch);',
    'if (done === undefined) void batch;',
  ),
  mutant(
    'settle without fencing',
    'memory/event-repo.ts',
    "row?.record.status === 'delivering' && row.record.token === token ?",
    "row?.record.status === 'delivering' && token > 0 ?",
  ),
  mutant(
    'a late success overwrites a newer failure',
    'memory/event-repo.ts',
    '    row.recordLate(settlement);\n',
    "    row.recordLate(settlement);\n    if (settlement.next.status === 'delivered') row.record = { ...row.record, status: 'delivered', completedAt: now };\n",
  ),
  mutant(
    'an aborted attempt counts',
    'dispatcher/attempt.ts',
    "counted: answer.kind === 'response' || answer.errorKind !== 'aborted',",
    'counted: true,',
  ),
  mutant(
    'one attempt too many',
    'dispatcher/next-delay.ts',
    'const attempt = failed.claim.delivery.tries + 2;',
    'const attempt = failed.claim.delivery.tries + 1;',
  ),
  mutant(
    'a retry comes at once',
    'domain/outcome.ts',
    'dueAt: now + Math.max(nextDelayMs, retryAfterMs)',
    'dueAt: now',
  ),
  mutant(
    'Retry-After is not clamped',
    'domain/outcome.ts',
    'Math.min(retryAfterMs, maxRetryAfterMs)',
    'retryAfterMs',
  ),
  // ------------------------------------------------------------------------------------------ publishing
  mutant(
    'a refused batch leaves its beginning behind',
    'memory/stored-rows.ts',
    '      for (const stored of added) {\n',
    '      for (const stored of added.slice(1)) {\n',
  ),
  mutant(
    'an append in two steps',
    'publish/publisher.ts',
    'await this.#appender.append(drafts, now)',
    '(await Promise.all(drafts.map((one) => this.#appender.append([one], now)))).flat()',
  ),
  mutant(
    'keys are not looked at',
    'memory/event-log.ts',
    'event.idempotencyKey === undefined ? undefined : this.#byKey.get(keyOf(event));',
    'undefined;',
  ),
  mutant(
    'other content under a known key passes',
    'memory/event-log.ts',
    'if (sameKey !== undefined && sameKey.event.fingerprint !== event.fingerprint)',
    'if (sameKey !== undefined && sameKey.event.fingerprint === "")',
  ),
  mutant(
    'an unavailable webhook gets no deliveries',
    'publish/subscribers.ts',
    "webhook.status.state !== 'disabled' &&",
    "webhook.status.state !== 'disabled' && webhook.status.state !== 'unavailable' &&",
  ),
  {
    name: 'events reach other tenants',
    patches: [
      { file: 'publish/subscribers.ts', find: 'webhook.tenantId === event.tenantId &&', put: '' },
      {
        file: 'memory/webhook-repo.ts',
        find: 'const rows = this.#tenants.get(tenantId)?.subscriptions.matching(eventType) ?? [];',
        put: 'const rows = [...this.#tenants.values()].flatMap((tenant) => tenant.subscriptions.matching(eventType));',
      },
    ],
  },
  // ------------------------------------------------------------------------------------------ webhooks
  mutant(
    'D is not restarted by a success',
    'domain/webhook.ts',
    'return status.failing ? { ...status, failing: false } : status;',
    'return status;',
  ),
  mutant(
    'D begins anew with each failure',
    'domain/webhook.ts',
    "if (!status.failing) return { state: 'retrying', since: now, failing: true };",
    "if (!status.failing || now - status.since < unavailableAfterMs) return { state: 'retrying', since: now, failing: true };",
  ),
  mutant(
    'unavailable a tenth too early',
    'domain/webhook.ts',
    'now - status.since >= unavailableAfterMs',
    'now - status.since >= unavailableAfterMs * 0.9',
  ),
  mutant(
    'a disabled webhook is sent to',
    'dispatcher/triage.ts',
    "      return { kind: 'hold' };",
    "      return { kind: 'send' };",
  ),
  mutant(
    'what was cached is never read again',
    'runtime/webhook-cache.ts',
    '    for (const id of ids) {\n      this.#entries.delete(id);\n      for (const changed',
    '    for (const id of ids) {\n      for (const changed',
  ),
  mutant(
    'a webhook stays Retrying when its queue is empty',
    'domain/webhook.ts',
    "return status.state === 'retrying' ? enabledAfter(status, now) : status;",
    'return status;',
  ),
  // ------------------------------------------------------------------------------------------ retry queues
  {
    name: 'a probe per process instead of one',
    patches: [
      {
        file: 'memory/state-repo.ts',
        find: 'if ((row.record.leaseUntil ?? now) > now) this.#put(row, row.record);\n',
        put: 'if (limit < 0) this.#put(row, row.record);\n',
      },
      {
        file: 'memory/state-repo.ts',
        find: 'else this.#wait(row, this.#leased, Math.max(record.nextAt, record.leaseUntil));',
        put: 'else this.#wait(row, this.#free(record), record.nextAt);',
      },
    ],
  },
  mutant(
    'the back-off is restarted by a crash',
    'dispatcher/lane.ts',
    '    this.failures = failures;\n',
    '    this.failures = 0;\n',
  ),
  mutant(
    'the window stays open after a failure',
    'dispatcher/lane.ts',
    '    this.proven = false;\n    this.window = 1;\n    if (flight',
    '    this.proven = false;\n    if (flight',
  ),
  mutant(
    'nobody sweeps for forgotten queues',
    'retry-queue/sweep.ts',
    'for (const id of ids) if (!open.has(id)) this.#open(id);',
    'void open;',
  ),
  mutant(
    'giving up a queue takes what is leased, too',
    'memory/delivery-queues.ts',
    "(row.record.status === 'delivering' ? leased : waiting).push(row);",
    'waiting.push(row);',
  ),
  mutant(
    'a replay goes on counting',
    'memory/delivery-record.ts',
    "  next.status = 'replaying';\n  next.tries = 0;\n",
    "  next.status = 'replaying';\n",
  ),
  // ------------------------------------------------------------------------------------------ caps
  mutant(
    'the cap of a webhook is not looked at',
    'dispatcher/dispatcher.ts',
    'return Math.min(lane.window, this.#capOf(webhook));',
    'return lane.window;',
  ),
  {
    name: 'more requests than slots',
    patches: [
      {
        file: 'dispatcher/slots.ts',
        find: 'return this.max - this.#taken;',
        put: 'return this.max - this.#taken + 1;',
      },
      {
        file: 'dispatcher/slots.ts',
        find: 'const free = this.max - this.#taken;',
        put: 'const free = this.max - this.#taken + 1;',
      },
    ],
  },
  // ------------------------------------------------------------------------------------------ requests
  mutant(
    'the time of the event is signed',
    'dispatcher/attempt.ts',
    'return Math.floor(this.#startedAt / 1000);',
    'return Math.floor(this.#input.event.createdAt / 1000);',
  ),
  mutant(
    'the last byte is not sent',
    'dispatcher/attempt.ts',
    '      body: event.body,\n      maxResponseBytes',
    '      body: event.body.subarray(1),\n      maxResponseBytes',
  ),
  mutant(
    'echoed secrets are stored',
    'dispatcher/attempt.ts',
    'return maskParts(text, this.#hidden);',
    'return text;',
  ),
  // ------------------------------------------------------------------------------------------ retention
  mutant(
    'an event goes with its first delivery',
    'memory/stored-rows.ts',
    'if (stored.rows.some(({ isGone }) => !isGone)) return 0;',
    '',
  ),
  // ------------------------------------------------------------------------------------------ order
  mutant(
    'a line goes on before the end of its head is stored',
    'memory/order-line.ts',
    "    case 'pending':\n    case 'delivering':\n",
    "    case 'delivering':\n      return false;\n    case 'pending':\n",
  ),
  mutant(
    'a failed head lets the next of its key go',
    'memory/order-line.ts',
    "    case 'failed':\n    case 'replaying':\n      return true;\n",
    "    case 'replaying':\n      return true;\n    case 'failed':\n      return false;\n",
  ),
  mutant(
    'a lost claim lets the next of its key go',
    'memory/order-line.ts',
    'const holds = !row.isGone && holdsPlace(row.record);',
    'const holds = !row.isGone && holdsPlace(row.record) && row.record.lost === 0;',
  ),
  mutant(
    'a replay takes the turn of one that is under way',
    'memory/order-line.ts',
    'return this.#delivering ?? this.#places.first;',
    'return this.#places.first ?? this.#delivering;',
  ),
  mutant(
    'what is given up blocks nobody',
    'memory/order-line.ts',
    'return blocks === true;',
    'return blocks === false;',
  ),
  mutant(
    'all keys of a webhook are given up as if it skipped them',
    'dispatcher/dispatcher.ts',
    'return keeps && blocksWhenExhausted(webhook) ?',
    'return keeps && blocksWhenExhausted(webhook) && delivery.tries < 0 ?',
  ),
  // ------------------------------------------------------------------------------------------ batches
  {
    name: 'a batch whose claim was lost is formed anew under its old id',
    patches: [
      {
        file: 'memory/batches.ts',
        find: 'const isWhole = members.every((row) => row.home === home &&',
        put: "const isWhole = members.every((row) => row.record.status !== 'delivering' && row.home === home &&",
      },
      {
        file: 'memory/batches.ts',
        find: 'const batch = { id: rule.id, size, refusals: 0 };',
        put: 'const batch = { id: first.record.batch?.id ?? rule.id, size, refusals: 0 };',
      },
    ],
  },
  mutant(
    'a split loses the odd one',
    'dispatcher/to-claims.ts',
    'members.slice(middle)]',
    'members.slice(middle + (members.length % 2))]',
  ),
  mutant(
    'the others of a batch are not settled',
    'dispatcher/settler.ts',
    'if (others.length > 0) settlement.others',
    'if (others.length < 0) settlement.others',
  ),
  mutant(
    'the first of a batch does not wait for others',
    'memory/batches.ts',
    'const ripeAt = isFull ? 0 : first.record.dueAt + rule.maxWaitMs;',
    'const ripeAt = isFull ? 0 : first.record.dueAt + rule.maxWaitMs * 0.5;',
  ),
  mutant(
    'a batch that failed is put together anew',
    'dispatcher/endings.ts',
    'next: { ...next, batch: { ...batch, refusals } }',
    'next: refusals < 0 ? { ...next, batch } : next',
  ),
  // ------------------------------------------------------------------------------------------ bugs that the simulator found
  mutant(
    'a batch is in another order when it is claimed again (was)',
    'memory/batches.ts',
    'rows: candidates.slice(0, size).sort(byAppend), batch',
    'rows: candidates.slice(0, size), batch',
  ),
  mutant(
    'a batched queue is kept through a long back-off, and forgotten (was)',
    'retry-queue/service.ts',
    'if (at - run.now() > settings.leaseMs * KEPT_SHARE) return false;',
    'if (dryUntil - run.now() > settings.leaseMs * KEPT_SHARE) return false;',
  ),
  mutant(
    'the record of a queue is closed before its webhook is Unavailable (was)',
    'retry-queue/keeper.ts',
    'if (!statuses.changes(webhook, emptied, now)) return this.#waits(holding);',
    'if (!statuses.changes(webhook, emptied, now)) return false;',
  ),
  mutant(
    'a batch is given up for what was lost of one (was)',
    'dispatcher/triage.ts',
    "return isOfAll ? verdict : { kind: 'take-apart' };",
    'void isOfAll;\n  return verdict;',
  ),
  mutant(
    'lost claims of a queue that is given up stay for ever (was)',
    'retry-queue/service.ts',
    'else if (this.#hasLost(holding)) this.#takeOver(holding);\n',
    '',
  ),
  mutant(
    'the record of an empty queue is closed before its webhook is Enabled (was)',
    'retry-queue/keeper.ts',
    '    holding.busy = true;\n    statuses.apply(webhook, emptied, { at: now, stored: () => this.#goOn(holding) });\n    return true;\n',
    '    statuses.apply(webhook, emptied, { at: now });\n    return false;\n',
  ),
  mutant(
    'own queues are claimed from without bound (was)',
    'dispatcher/dispatcher.ts',
    'return Math.max(0, Math.min(room, this.places));',
    'return Math.max(0, room);',
  ),
  mutant(
    'what is being stored hides that a webhook was disabled (was)',
    'runtime/webhook-cache.ts',
    "if (state === 'disabled' || state === 'unavailable') return webhook;",
    'void state;',
  ),
  // ------------------------------------------------------------------------------------------ rates
  mutant(
    'a bucket is full each time',
    'memory/token-buckets.ts',
    'this.#fullAt.get(bucket) ?? now, {',
    'now - (this.#fullAt.get(bucket) ?? 0) * 0, {',
  ),
  mutant(
    'a request costs no token',
    'dispatcher/dispatcher.ts',
    'if (webhook.rateLimit !== undefined) hooks.started(lane);',
    '',
  ),
  mutant(
    'more tokens are put back than are left',
    'retry-queue/allowance.ts',
    '    const count = this.#tokens;\n',
    '    const count = this.#tokens + 1;\n',
  ),
  mutant(
    'what was spent is put back',
    'retry-queue/allowance.ts',
    '    this.#tokens -= 1;\n    this.#fullAt',
    '    this.#fullAt',
  ),
  mutant(
    'a tenant publishes over its rate',
    'publish/tenant-rates.ts',
    'if (refused.length === 0) return;',
    'if (refused.length < 2) return;',
  ),
  mutant(
    'a publish whose answer was lost gets its tokens back',
    'publish/tenant-rates.ts',
    'if (!(error instanceof StorageError)) await',
    'if (error instanceof Error) await',
  ),
  // ------------------------------------------------------------------------------------------ bytes of its own
  mutant(
    'what the shape made is not stored',
    'memory/stored-rows.ts',
    'body ? { ...event, body } : event',
    'body ? { ...event } : event',
  ),
  mutant(
    'all webhooks get what was made for the last',
    'publish/shaper.ts',
    'if (body) own.set(delivery.id, body);',
    'if (body) for (const one of kept) own.set(one.id, body);',
  ),
  mutant(
    'who is left out by the shape gets the event all the same',
    'publish/shaper.ts',
    'if (result === undefined) return null;',
    'if (result === undefined) return undefined;',
  ),
  // ------------------------------------------------------------------------------------------ cancelling and replaying
  mutant(
    'what is cancelled is claimed from its queue',
    'memory/event-repo.ts',
    '    this.#queues.leave(row);\n    this.#replays.remove(row);\n',
    '    this.#replays.remove(row);\n',
  ),
  mutant(
    'what is cancelled keeps its place in its line',
    'memory/delivery-record.ts',
    "return exhaustedRecord(record, { reason: 'cancelled' }, now);",
    "return exhaustedRecord(record, { reason: 'cancelled', blocks: true }, now);",
  ),
  mutant(
    'what is being sent can be cancelled',
    'memory/delivery-record.ts',
    "    case 'replaying':\n      return exhaustedRecord(record, { reason: 'cancelled' }, now);\n    case 'exhausted': {\n",
    "    case 'replaying':\n    case 'delivering':\n      return exhaustedRecord(record, { reason: 'cancelled' }, now);\n    case 'exhausted': {\n",
  ),
  mutant(
    'a cancel that came too late is told as done',
    'admin/cancel.ts',
    'if (isCancelled(after) || isLetGo) return',
    'if (isCancelled(after) || isLetGo || isCancellable(before)) return',
  ),
  mutant(
    'a replay of many counts what it was asked for',
    'admin/replay-many.ts',
    'if (tries === 1 || marked.length === ids.length) return marked.length;',
    'if (tries === 1 || marked.length === ids.length) return ids.length + 1;',
  ),
  // ------------------------------------------------------------------------------------------ tallies and secrets
  mutant(
    'what could not be counted in the store is forgotten',
    'runtime/tallies.ts',
    '[...again(batch), ...left.slice(MAX_BATCH)]',
    'left.slice(MAX_BATCH)',
  ),
  mutant(
    'a stop forgets what it has counted',
    'engine.ts',
    'Promise.all([this.#queues.releaseAll(), this.#tallies.store()])',
    'Promise.all([this.#queues.releaseAll()])',
  ),
  mutant(
    'an update stores secrets readable',
    'http/sealing.ts',
    'update.call(repo, sealed(webhook), revision)',
    'update.call(repo, webhook, revision)',
  ),
  {
    name: 'a batched webhook that is not cached gets single events (was)',
    patches: [
      {
        file: 'retry-queue/service.ts',
        find: 'if (webhook === undefined) void this.#read(holding);',
        put: 'if (webhook === undefined) this.#want(holding, 1);',
      },
      {
        file: 'dispatcher/dispatcher.ts',
        find: "    if ((delivery.mode === 'batched') !== (claim.members !== undefined)) return false;\n",
        put: '    void delivery;\n',
      },
    ],
  },
];
