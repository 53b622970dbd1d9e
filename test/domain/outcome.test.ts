import { describe, expect, test } from 'vitest';
import type { AttemptErrorKind } from '../../src/domain/delivery.ts';
import { type Circumstances, type Outcome, outcomeOf, settleAfter } from '../../src/domain/outcome.ts';
import type { WebhookStatus } from '../../src/domain/webhook.ts';

describe('what a status means', () => {
  const statuses = Array.from({ length: 900 }, (_, index) => index + 100);

  test('2xx is delivered, 410 gone, everything else failed', () => {
    for (const status of statuses) {
      const kind = status >= 200 && status < 300 ? 'delivered' : status === 410 ? 'gone' : 'failed';
      expect(outcomeOf({ kind: 'response', status })).toEqual({ kind });
    }
  });

  test('only 429 and 503 may ask for time', () => {
    const asking = statuses.filter(
      (status) => 'retryAfterMs' in outcomeOf({ kind: 'response', status, retryAfterMs: 5 }),
    );
    expect(asking).toEqual([429, 503]);
  });

  test.each([
    [0, 0],
    [1, 1],
    [3_600_000, 3_600_000],
    [3_600_001, 3_600_000],
    [Number.POSITIVE_INFINITY, 3_600_000],
    [-1, undefined],
    [Number.NaN, undefined],
  ])('a Retry-After of %d ms counts as %s', (retryAfterMs, expected) => {
    const outcome = outcomeOf({ kind: 'response', status: 503, retryAfterMs });
    expect(outcome).toEqual(
      expected === undefined ? { kind: 'failed' } : { kind: 'failed', retryAfterMs: expected },
    );
  });

  test('its bound is an option', () => {
    const outcome = outcomeOf({ kind: 'response', status: 429, retryAfterMs: 50 }, { maxRetryAfterMs: 20 });
    expect(outcome).toEqual({ kind: 'failed', retryAfterMs: 20 });
  });
});

test.each<[AttemptErrorKind, Outcome['kind']]>([
  ['blocked', 'failed'],
  ['dns', 'failed'],
  ['refused', 'failed'],
  ['reset', 'failed'],
  ['tls', 'failed'],
  ['timeout', 'failed'],
  ['invalid-response', 'failed'],
  ['signing', 'failed'],
  ['request', 'failed'],
  ['aborted', 'aborted'],
  ['lost', 'aborted'],
])('no answer, because %s: %s', (errorKind, kind) => {
  expect(outcomeOf({ kind: 'error', errorKind })).toEqual({ kind });
});

describe('what becomes of the delivery', () => {
  const delivery = { dueAt: 700, queue: 'express' } as const;
  const enabled: WebhookStatus = { state: 'enabled' };
  const retrying: WebhookStatus = { state: 'retrying', since: 1, failing: true };
  const unavailable: WebhookStatus = { state: 'unavailable', since: 1 };
  const disabled: WebhookStatus = { state: 'disabled' };
  const [delivered, gone, failed, aborted] = (['delivered', 'gone', 'failed', 'aborted'] as const).map(
    (kind): Outcome => ({ kind }),
  ) as [Outcome, Outcome, Outcome, Outcome];
  const dead = (reason: string): object => ({ status: 'exhausted', reason });
  const waits = (dueAt: number, queue: string): object => ({ status: 'waiting', dueAt, queue });

  const table: readonly [Outcome, Circumstances['semantics'], number | undefined, WebhookStatus, object][] = [
    [delivered, 'at-least-once', undefined, enabled, { status: 'delivered' }],
    [delivered, 'at-least-once', undefined, unavailable, { status: 'delivered' }],
    [delivered, 'at-most-once', undefined, disabled, { status: 'delivered' }],
    [gone, 'at-least-once', 10, disabled, dead('webhook-gone')],
    [gone, 'at-most-once', 10, disabled, dead('webhook-gone')],
    [failed, 'at-least-once', 10, retrying, waits(1_010, 'own')],
    [failed, 'at-least-once', 0, retrying, waits(1_000, 'own')],
    [failed, 'at-least-once', 10, disabled, waits(1_010, 'own')],
    [failed, 'at-least-once', undefined, retrying, dead('attempts-used-up')],
    [failed, 'at-least-once', undefined, unavailable, dead('attempts-used-up')],
    [failed, 'at-least-once', 10, unavailable, dead('webhook-unavailable')],
    [failed, 'at-most-once', 10, retrying, dead('at-most-once-failed')],
    [failed, 'at-most-once', undefined, unavailable, dead('at-most-once-failed')],
    [{ kind: 'failed', retryAfterMs: 50 }, 'at-least-once', 10, retrying, waits(1_050, 'own')],
    [{ kind: 'failed', retryAfterMs: 50 }, 'at-least-once', 90, retrying, waits(1_090, 'own')],
    [{ kind: 'failed', retryAfterMs: 50 }, 'at-least-once', undefined, retrying, dead('attempts-used-up')],
    [aborted, 'at-least-once', undefined, enabled, waits(700, 'express')],
    [aborted, 'at-least-once', undefined, retrying, waits(700, 'own')],
    [aborted, 'at-least-once', undefined, disabled, waits(700, 'own')],
    [aborted, 'at-least-once', undefined, unavailable, dead('webhook-unavailable')],
    [aborted, 'at-most-once', undefined, enabled, dead('outcome-unknown')],
    [aborted, 'at-most-once', undefined, unavailable, dead('outcome-unknown')],
  ];

  test.each(table)(
    '%j, %s, next wait %s, webhook %j: %j',
    (outcome, semantics, nextDelayMs, webhookStatus, expected) => {
      const circumstances = { semantics, nextDelayMs, webhookStatus, now: 1_000 };
      expect(settleAfter(delivery, outcome, circumstances)).toEqual(expected);
    },
  );
});
