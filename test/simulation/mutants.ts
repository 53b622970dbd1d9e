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
 * found by the simulator.
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
    "row.record.status === 'delivering' && row.record.token === settlement.token",
    "row.record.status === 'delivering'",
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
    'memory/event-repo.ts',
    '      for (const stored of added) {\n',
    '      for (const stored of added.slice(1)) {\n',
  ),
  mutant(
    'an append in two steps',
    'publish/publisher.ts',
    'answered(await events.append(drafts, options), drafts.length),',
    'answered((await Promise.all(drafts.map((one) => events.append([one], options)))).flat(), drafts.length),',
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
    'publish/publisher.ts',
    "webhook.status.state !== 'disabled' &&",
    "webhook.status.state !== 'disabled' && webhook.status.state !== 'unavailable' &&",
  ),
  {
    name: 'events reach other tenants',
    patches: [
      { file: 'publish/publisher.ts', find: 'webhook.tenantId === event.tenantId &&', put: '' },
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
    "return status.state === 'retrying' ? enabledAfter(status) : status;",
    'return status;',
  ),
  // ------------------------------------------------------------------------------------------ retry queues
  mutant(
    'a probe per process instead of one',
    'memory/state-repo.ts',
    'if ((row.record.leaseUntil ?? now) > now) this.#put(row, row.record);\n',
    'if (limit < 0) this.#put(row, row.record);\n',
  ),
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
  mutant(
    'more requests than slots',
    'dispatcher/dispatcher.ts',
    'while (run.accepting && this.slots.free > 0)',
    'while (run.accepting)',
  ),
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
    'memory/event-repo.ts',
    'if (stored === undefined || stored.rows.some(({ isGone }) => !isGone)) return 0;',
    'if (stored === undefined) return 0;',
  ),
  // ------------------------------------------------------------------------------------------ bugs that the simulator found
  mutant(
    'lost claims of a queue that is given up stay for ever (was)',
    'retry-queue/service.ts',
    'else if (this.#hasLost(holding)) this.#takeOver(holding);\n',
    '',
  ),
  mutant(
    'the record of an empty queue is closed before its webhook is Enabled (was)',
    'retry-queue/keeper.ts',
    '    holding.busy = true;\n    const stored = (): void => {\n      holding.busy = false;\n      this.#hooks.attend(holding);\n    };\n    statuses.apply(webhook, emptied, { at: now, stored });\n    return true;\n',
    '    statuses.apply(webhook, emptied, { at: now });\n    return false;\n',
  ),
  mutant(
    'an empty queue is closed by what is cached of its webhook (was)',
    'retry-queue/service.ts',
    'else if (seen.nextDueAt === undefined && !seen.isCurrent) void this.#readAnew(holding, seen);\n',
    '',
  ),
  mutant(
    'own queues are claimed from without bound (was)',
    'dispatcher/dispatcher.ts',
    'return Math.max(0, Math.min(room, this.places));',
    'return Math.max(0, room);',
  ),
  mutant(
    'a clock ahead of the store asks without a pause (was)',
    'runtime/due-wait.ts',
    'this.#stepMs = Math.min(stepMs * 2, this.#longestMs);',
    '',
  ),
  mutant(
    'what is being stored hides that a webhook was disabled (was)',
    'runtime/webhook-cache.ts',
    "if (state === 'disabled' || state === 'unavailable') return webhook;",
    'void state;',
  ),
  mutant(
    'a success on an old view of the webhook is forgotten (was)',
    'runtime/webhook-statuses.ts',
    'if (!this.#isKnown(webhook.id, at))',
    'if (this.#made < 0)',
  ),
  mutant(
    'an old failure is applied again after a newer success (was)',
    'runtime/webhook-statuses.ts',
    'const isDone = reached !== undefined && change.order <= reached.order;',
    'const isDone = stored ? sameStatus(stored.status, change.to) : false;',
  ),
];
