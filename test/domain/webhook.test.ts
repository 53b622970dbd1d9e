import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  nextWebhookStatus,
  sameStatus,
  type WebhookInput,
  type WebhookStatus,
} from '../../src/domain/webhook.ts';

const D = 1_000;
const enabled: WebhookStatus = { state: 'enabled' };
const retrying: WebhookStatus = { state: 'retrying', since: 100, failing: true };
const recovering: WebhookStatus = { state: 'retrying', since: 100, failing: false };
const unavailable: WebhookStatus = { state: 'unavailable', since: 100 };
const disabled: WebhookStatus = { state: 'disabled' };

const failed: WebhookInput = { kind: 'attempt-failed', unavailableAfterMs: D };
const timeIsUp: WebhookInput = { kind: 'time-is-up', unavailableAfterMs: D };
const succeeded: WebhookInput = { kind: 'attempt-succeeded' };
const emptied: WebhookInput = { kind: 'queue-emptied' };
const gone: WebhookInput = { kind: 'gone' };
const enable: WebhookInput = { kind: 'enable' };
const disable: WebhookInput = { kind: 'disable' };

/** The whole machine at instant 500, when D has not passed for any of the states above. */
const table: readonly [WebhookStatus, WebhookInput, WebhookStatus | undefined][] = [
  [enabled, succeeded, enabled],
  [enabled, failed, { state: 'retrying', since: 500, failing: true }],
  [enabled, timeIsUp, enabled],
  [enabled, emptied, enabled],
  [enabled, gone, { state: 'disabled', reason: 'gone' }],
  [enabled, enable, enabled],
  [enabled, disable, disabled],
  [retrying, succeeded, recovering],
  [retrying, failed, retrying],
  [retrying, timeIsUp, retrying],
  [retrying, emptied, { state: 'enabled', since: 500, failingSince: 100 }],
  [retrying, gone, { state: 'disabled', reason: 'gone' }],
  [retrying, enable, undefined],
  [retrying, disable, disabled],
  [recovering, succeeded, recovering],
  [recovering, failed, { state: 'retrying', since: 500, failing: true }],
  [recovering, timeIsUp, recovering],
  [recovering, emptied, { state: 'enabled', since: 500 }],
  [recovering, gone, { state: 'disabled', reason: 'gone' }],
  [recovering, enable, undefined],
  [recovering, disable, disabled],
  [unavailable, succeeded, unavailable],
  [unavailable, failed, unavailable],
  [unavailable, timeIsUp, unavailable],
  [unavailable, emptied, unavailable],
  [unavailable, gone, { state: 'disabled', reason: 'gone' }],
  [unavailable, enable, { state: 'enabled', since: 500 }],
  [unavailable, disable, disabled],
  [disabled, succeeded, disabled],
  [disabled, failed, disabled],
  [disabled, timeIsUp, disabled],
  [disabled, emptied, disabled],
  [disabled, gone, disabled],
  [disabled, enable, { state: 'enabled', since: 500 }],
  [disabled, disable, disabled],
];

test.each(table)('%j on %j becomes %j', (from, input, to) => {
  expect(nextWebhookStatus(from, input, 500)).toEqual(to);
});

test('a status that does not change is the very object that was given', () => {
  for (const [from, input, to] of table) {
    if (to !== undefined && sameStatus(from, to)) expect(nextWebhookStatus(from, input, 500)).toBe(from);
  }
});

test('the failure at exactly D after the first makes it Unavailable, one millisecond earlier does not', () => {
  expect(nextWebhookStatus(retrying, failed, 1_099)).toEqual(retrying);
  expect(nextWebhookStatus(retrying, failed, 1_100)).toEqual({ state: 'unavailable', since: 1_100 });
  expect(nextWebhookStatus(retrying, timeIsUp, 1_099)).toEqual(retrying);
  expect(nextWebhookStatus(retrying, timeIsUp, 1_100)).toEqual({ state: 'unavailable', since: 1_100 });
});

test('a queue that was emptied by giving up keeps the clock of D', () => {
  const emptiedByGivingUp = nextWebhookStatus(retrying, emptied, 600);
  const failedAgain = nextWebhookStatus(emptiedByGivingUp as WebhookStatus, failed, 700);
  expect(failedAgain).toEqual({ state: 'retrying', since: 100, failing: true });
  expect(nextWebhookStatus(failedAgain as WebhookStatus, failed, 1_100)?.state).toBe('unavailable');
});

test('a success on the express path clears what was left of the clock of D', () => {
  expect(nextWebhookStatus({ state: 'enabled', failingSince: 100 }, succeeded, 900)).toEqual(enabled);
});

test('an infinite D is never over', () => {
  const never: WebhookInput = { kind: 'attempt-failed', unavailableAfterMs: Number.POSITIVE_INFINITY };
  expect(nextWebhookStatus(retrying, never, Number.MAX_SAFE_INTEGER)).toBe(retrying);
});

interface Step {
  readonly input: WebhookInput;
  readonly afterMs: number;
}

const engineInput = fc.constantFrom(succeeded, failed, timeIsUp, emptied);
const anyInput = fc.constantFrom(succeeded, failed, timeIsUp, emptied, gone, enable, disable);
const stepsOf = (input: fc.Arbitrary<WebhookInput>): fc.Arbitrary<Step[]> =>
  fc.array(fc.record({ input, afterMs: fc.integer({ min: 0, max: D }) }), { maxLength: 60 });

/** Runs a history from Enabled and calls `check` with each transition. */
function run(
  steps: readonly Step[],
  check: (from: WebhookStatus, to: WebhookStatus, step: Step & { now: number }) => void,
): void {
  let status = enabled;
  let now = 10_000;
  for (const step of steps) {
    now += step.afterMs;
    const next = nextWebhookStatus(status, step.input, now) ?? status;
    check(status, next, { ...step, now });
    status = next;
  }
}

describe('whatever happens', () => {
  /** Row 1 of the mission, and what `semantics.md` adds: a 410 disables from anywhere, and so does the owner. */
  const arrows = new Set([
    'enabled→retrying',
    'retrying→enabled',
    'retrying→unavailable',
    'enabled→disabled',
    'retrying→disabled',
    'unavailable→disabled',
    'disabled→enabled',
    'unavailable→enabled',
  ]);

  test('a webhook moves only along the arrows of the machine', () => {
    fc.assert(
      fc.property(stepsOf(anyInput), (steps) => {
        run(steps, (from, to) => {
          if (from.state !== to.state) expect(arrows).toContain(`${from.state}→${to.state}`);
        });
      }),
    );
  });

  test('it becomes Unavailable exactly when no attempt succeeded for D since the first failure', () => {
    fc.assert(
      fc.property(stepsOf(engineInput), (steps) => {
        let firstFailure: number | undefined;
        run(steps, (from, to, { input, now }) => {
          if (from.state === 'unavailable') return;
          if (input.kind === 'attempt-succeeded') firstFailure = undefined;
          const isOver = firstFailure !== undefined && now - firstFailure >= D;
          const isAsked = input.kind === 'attempt-failed' || input.kind === 'time-is-up';
          expect(to.state === 'unavailable').toBe(isOver && isAsked && from.state === 'retrying');
          if (input.kind === 'attempt-failed') firstFailure ??= now;
        });
      }),
    );
  });

  test('one poisoned event among healthy ones never makes it Unavailable, however long it goes on', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: D - 1 }), { maxLength: 100 }), (waits) => {
        const steps = waits.flatMap((afterMs): Step[] => [
          { input: failed, afterMs },
          { input: succeeded, afterMs: 0 },
        ]);
        run(steps, (_, to) => expect(to.state).not.toBe('unavailable'));
      }),
    );
  });

  test('idle or recovered, it never becomes Unavailable by time alone', () => {
    for (const idle of [enabled, recovering, { state: 'enabled', failingSince: 0 } as const]) {
      expect(nextWebhookStatus(idle, timeIsUp, Number.MAX_SAFE_INTEGER)).toBe(idle);
    }
  });

  test('after any success the clock of D starts at the next failure', () => {
    fc.assert(
      fc.property(stepsOf(engineInput), fc.integer({ min: 0, max: 10 * D }), (steps, wait) => {
        let status = enabled as WebhookStatus;
        let last = 0;
        run(steps, (_, to, { now }) => {
          status = to;
          last = now;
        });
        if (status.state === 'unavailable') return;
        const succeededNow = nextWebhookStatus(status, succeeded, last) as WebhookStatus;
        const failedLater = nextWebhookStatus(succeededNow, failed, last + wait);
        expect(failedLater).toEqual({ state: 'retrying', since: last + wait, failing: true });
      }),
    );
  });
});

describe('sameStatus', () => {
  const statuses: readonly WebhookStatus[] = [
    enabled,
    { state: 'enabled', failingSince: 1 },
    retrying,
    recovering,
    { ...retrying, since: 101 },
    unavailable,
    { state: 'unavailable', since: 101 },
    disabled,
    { state: 'disabled', reason: 'gone' },
  ];

  test('holds for a status and its copy, and for no two different ones', () => {
    for (const [i, a] of statuses.entries()) {
      for (const [j, b] of statuses.entries()) expect(sameStatus(a, structuredClone(b))).toBe(i === j);
    }
  });
});
