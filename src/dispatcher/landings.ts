import type { SettledState } from '../domain/delivery.ts';
import { type Outcome, outcomeOf, settleAfter } from '../domain/outcome.ts';
import type { WebhookInput, WebhookRecord, WebhookStatus } from '../domain/webhook.ts';
import type { QueueOpening } from '../repos.ts';
import type { AttemptResult } from './attempt.ts';
import type { DispatcherParts } from './dispatcher-parts.ts';
import type { Flight } from './lane.ts';
import { nextDelay } from './next-delay.ts';

/** How a request ended. */
export interface Landing {
  readonly result: AttemptResult;
  /** The number of the newest request of this process. */
  readonly newestFlight: number;
}

const delivered: SettledState = { status: 'delivered' };
const succeeded: WebhookInput = { kind: 'attempt-succeeded' };

/** What an answer means: for the lane and its back-off, for the webhook's status, and for the delivery. */
export class Landings {
  readonly #parts: DispatcherParts;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** Tells lane, status and queues, and returns what becomes of the delivery. */
  land(flight: Flight, webhook: WebhookRecord, { result, newestFlight }: Landing): SettledState {
    const { run, settings, tallies } = this.#parts;
    const now = result.endedAt;
    const outcome = outcomeOf(result.answer, settings);
    if (outcome.kind !== 'aborted') tallies.count(webhook.id, outcome.kind === 'delivered', result.data);
    const status = isOurs(result, outcome)
      ? this.#knownStatus(webhook)
      : this.#learn(flight, webhook, { outcome, newestFlight, now });
    if (outcome.kind === 'delivered') return delivered;
    const policy = webhook.retry ?? settings.retry;
    const failed = outcome.kind === 'failed';
    const next = settleAfter(flight.claim.delivery, outcome, {
      semantics: webhook.delivery.semantics,
      nextDelayMs: failed
        ? nextDelay({ claim: flight.claim, answer: result.answer, policy }, run, settings.random)
        : undefined,
      webhookStatus: status,
      now,
    });
    return isUnsendable(result, next) ? { status: 'exhausted', reason: 'not-sendable' } : next;
  }

  #learn(
    flight: Flight,
    webhook: WebhookRecord,
    { outcome, newestFlight, now }: { outcome: Outcome; newestFlight: number; now: number },
  ): WebhookStatus {
    const { statuses, hooks, settings } = this.#parts;
    const { lane } = flight;
    if (outcome.kind === 'delivered') {
      lane.succeed(now);
      return statuses.apply(webhook, succeeded, { at: now });
    }
    hooks.failed({ lane, outcome, counts: lane.fail(flight, newestFlight) });
    const opening = (): QueueOpening | undefined =>
      outcome.kind === 'failed' ? hooks.openingOf(lane) : undefined;
    return statuses.apply(webhook, failureOf(outcome, settings.unavailableAfterMs), { at: now, opening });
  }

  #knownStatus(webhook: WebhookRecord): WebhookStatus {
    return (this.#parts.cache.peek(webhook.id) ?? webhook).status;
  }
}

/** An attempt that we ended, or could not sign, says nothing about the endpoint. */
function isOurs(result: AttemptResult, outcome: Outcome): boolean {
  return outcome.kind === 'aborted' || isUnsigned(result);
}

function isUnsendable(result: AttemptResult, next: SettledState): boolean {
  return isUnsigned(result) && next.status === 'exhausted' && next.reason === 'attempts-used-up';
}

function isUnsigned({ answer }: AttemptResult): boolean {
  return answer.kind === 'error' && answer.errorKind === 'signing';
}

function failureOf({ kind }: Outcome, unavailableAfterMs: number): WebhookInput {
  return kind === 'gone' ? { kind } : { kind: 'attempt-failed', unavailableAfterMs };
}
