import type { SettledState } from '../domain/delivery.ts';
import { type Outcome, outcomeOf, settleAfter } from '../domain/outcome.ts';
import type { WebhookInput, WebhookRecord, WebhookStatus } from '../domain/webhook.ts';
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

/** What an answer means: for the lane and its back-off, for the webhook's status, and for the delivery. */
export class Landings {
  readonly #parts: DispatcherParts;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** Tells lane, status and queues, and returns what becomes of the delivery. */
  land(flight: Flight, webhook: WebhookRecord, { result, newestFlight }: Landing): SettledState {
    const outcome = outcomeOf(result.answer, this.#parts.settings);
    const status = isOurs(result, outcome)
      ? this.#knownStatus(webhook)
      : this.#learn(flight, webhook, { outcome, newestFlight });
    const { run, settings } = this.#parts;
    const policy = webhook.retry ?? settings.retry;
    const failed = outcome.kind === 'failed';
    const next = settleAfter(flight.claim.delivery, outcome, {
      semantics: webhook.delivery.semantics,
      nextDelayMs: failed
        ? nextDelay({ claim: flight.claim, answer: result.answer, policy }, run, settings.random)
        : undefined,
      webhookStatus: status,
      now: run.now(),
    });
    return isUnsendable(result, next) ? { status: 'exhausted', reason: 'not-sendable' } : next;
  }

  #learn(
    flight: Flight,
    webhook: WebhookRecord,
    { outcome, newestFlight }: { outcome: Outcome; newestFlight: number },
  ): WebhookStatus {
    const { run, statuses, hooks, settings } = this.#parts;
    const now = run.now();
    const { lane } = flight;
    const delivered = outcome.kind === 'delivered';
    if (delivered) lane.succeed(now);
    const counts = !delivered && lane.fail(flight, newestFlight);
    const status = statuses.apply(webhook, inputOf(outcome, settings.unavailableAfterMs), now);
    hooks.attempted({ lane, webhook, outcome, counts });
    return status;
  }

  #knownStatus(webhook: WebhookRecord): WebhookStatus {
    return (this.#parts.cache.peek(webhook.id) ?? webhook).status;
  }
}

/** An attempt that we ended, or could not sign, says nothing about the endpoint. */
function isOurs({ answer }: AttemptResult, outcome: Outcome): boolean {
  return outcome.kind === 'aborted' || (answer.kind === 'error' && answer.errorKind === 'signing');
}

function isUnsendable({ answer }: AttemptResult, next: SettledState): boolean {
  const unsigned = answer.kind === 'error' && answer.errorKind === 'signing';
  return unsigned && next.status === 'exhausted' && next.reason === 'attempts-used-up';
}

function inputOf(outcome: Outcome, unavailableAfterMs: number): WebhookInput {
  switch (outcome.kind) {
    case 'delivered':
      return { kind: 'attempt-succeeded' };
    case 'gone':
      return { kind: 'gone' };
    case 'failed':
    case 'aborted':
      return { kind: 'attempt-failed', unavailableAfterMs };
  }
}
