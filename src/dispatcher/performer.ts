import type { EventRecord } from '../domain/event.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { AttemptInProgress, type AttemptParts, type AttemptResult } from './attempt.ts';
import { Deadlines } from './deadlines.ts';
import { Template } from './template.ts';

/** For whom an attempt is made, and when. */
export interface AttemptStart {
  readonly webhook: WebhookRecord;
  /** Epoch ms. */
  readonly now: number;
  /** Keeps the webhook's template from one attempt to the next. */
  readonly holder: { template: Template | undefined };
}

/** Makes attempts. */
export class Performer {
  readonly #parts: AttemptParts;

  constructor(parts: Omit<AttemptParts, 'deadlines'>) {
    this.#parts = { ...parts, deadlines: new Deadlines(parts.run.clock) };
  }

  /**
   * Starts one attempt and calls `done` exactly once, at the latest when its deadline and a short grace have passed,
   * whatever the transport and the signer do. Returns it, to be aborted.
   */
  start(
    event: EventRecord,
    { webhook, now, holder }: AttemptStart,
    done: (result: AttemptResult) => void,
  ): AttemptInProgress {
    if (holder.template?.webhook !== webhook) holder.template = new Template(webhook, this.#parts.userAgent);
    const { template } = holder;
    const attempt = new AttemptInProgress(this.#parts, { event, template, startedAt: now, done });
    attempt.start();
    return attempt;
  }
}
