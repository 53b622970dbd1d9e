import type { Life } from '../life.ts';
import type { Sending } from '../network.ts';
import type { Plan } from '../plan.ts';
import type { Timeline } from '../timeline.ts';
import type { Findings } from './findings.ts';
import type { DeliveryNotes, WebhookNotes } from './ledger.ts';

/** What the checks of holders work with. */
export interface HolderLawParts {
  readonly findings: Findings;
  readonly timeline: Timeline;
  readonly plan: Plan;
}

/**
 * Who may send for a webhook that has a queue of its own: whoever holds that queue, while its lease runs, and not before the back-off is over
 * (one probe at a time, by one process, however many there are).
 */
export class HolderLaws {
  readonly #parts: HolderLawParts;
  /** How far two clocks may be apart, ms. */
  readonly #skewMs: number;
  /** Until a process knows what another has stored of a webhook or its queue, ms. */
  readonly #newsMs: number;
  /** How the last request to a webhook ended, by process. */
  readonly #last = new WeakMap<Life, Map<string, 'well' | 'badly'>>();

  constructor(parts: HolderLawParts) {
    const { weather, settings, hasStoreClock, actions } = parts.plan;
    const jumps = actions.filter((action) => action.do === 'jump').length;
    this.#parts = parts;
    this.#skewMs = hasStoreClock ? 2 * weather.skewMs + 2 * jumps * settings.leaseMs : 0;
    const slowestMs = weather.slow > 0 ? 3 * settings.storageTimeoutMs : 0;
    this.#newsMs = settings.webhookCacheMs + 2 * slowestMs + 4 * weather.latencyMs + settings.leaseMs;
  }

  sent(sending: Sending, notes: DeliveryNotes, webhook: WebhookNotes): void {
    const claim = [...notes.claims.values()].findLast(({ life }) => life === sending.life);
    if (claim?.queue === 'own') this.#judgeLease(sending, webhook);
    this.#judgeProbe(sending, webhook);
  }

  ended({ life }: Sending, webhook: WebhookNotes, isWell: boolean): void {
    const ends = this.#last.get(life) ?? new Map<string, 'well' | 'badly'>();
    this.#last.set(life, ends.set(webhook.record.id, isWell ? 'well' : 'badly'));
  }

  /** Its lease, unless the queue was just taken from it by someone who disabled, enabled or deleted the webhook. */
  #judgeLease({ life, at }: Sending, { record, queue, holder, resetAt }: WebhookNotes): void {
    const { findings, timeline } = this.#parts;
    if (life.disturbedAt > 0 || at - resetAt < this.#newsMs) return;
    const left = (queue?.leaseUntil ?? 0) - timeline.now;
    if (holder !== life)
      findings.violate(
        'I15',
        `${life.name} sends for ${record.id} from its queue, which ${holder?.name ?? 'nobody'} holds`,
      );
    else if (left < -this.#skewMs)
      findings.violate(
        'I15',
        `${life.name} sends for ${record.id} from its queue ${-left} ms after its lease`,
      );
  }

  /** After a failure the next request is a probe: nothing of this process is under way beside it. */
  #judgeProbe({ life }: Sending, { record, flights }: WebhookNotes): void {
    const { findings } = this.#parts;
    if (this.#last.get(life)?.get(record.id) !== 'badly') return;
    const beside = [...flights].filter((flight) => flight.life === life).length;
    if (beside > 0)
      findings.violate(
        'I15',
        `${life.name} probes ${record.id} with ${beside} other requests to it under way`,
      );
  }
}
