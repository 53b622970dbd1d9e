import type { EventRecord } from '../domain/event.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { AttemptInProgress, type AttemptParts, type AttemptResult } from './attempt.ts';
import { Template } from './template.ts';

/** Makes attempts. */
export class Performer {
  readonly #parts: AttemptParts;
  readonly #templates = new WeakMap<WebhookRecord, Template>();

  constructor(parts: AttemptParts) {
    this.#parts = parts;
  }

  /**
   * Starts one attempt and calls `done` exactly once, at the latest when its deadline and a short grace have passed,
   * whatever the transport and the signer do. Returns it, to be aborted.
   */
  start(
    event: EventRecord,
    { webhook, now }: { readonly webhook: WebhookRecord; readonly now: number },
    done: (result: AttemptResult) => void,
  ): AttemptInProgress {
    const template = this.#templates.get(webhook) ?? this.#makeTemplate(webhook);
    const attempt = new AttemptInProgress(this.#parts, { event, template, startedAt: now, done });
    attempt.start();
    return attempt;
  }

  #makeTemplate(webhook: WebhookRecord): Template {
    const template = new Template(webhook, this.#parts.userAgent);
    this.#templates.set(webhook, template);
    return template;
  }
}
