import type { Life } from '../life.ts';
import type { Sending } from '../network.ts';
import type { Plan } from '../plan.ts';
import type { Ending, Managing } from '../watcher.ts';
import type { Findings } from './findings.ts';
import type { WebhookNotes } from './ledger.ts';

/** I13: once a webhook is disabled or deleted, no request starts for it: at once where that was done, elsewhere when the cache's time is up. */
export class ClosingLaws {
  readonly #findings: Findings;
  /** How long another process may go by what it has read before, ms. */
  readonly #boundMs: number;
  /** Who was told that a webhook is closed. */
  readonly #told = new WeakMap<WebhookNotes, Set<Life>>();

  constructor(findings: Findings, { settings, weather }: Plan) {
    const slowestMs = weather.slow > 0 ? 3 * settings.storageTimeoutMs : 0;
    this.#findings = findings;
    this.#boundMs = settings.webhookCacheMs + slowestMs + 2 * weather.latencyMs + 1;
  }

  managed({ life, action }: Managing, ending: Ending<unknown>, notes: WebhookNotes | undefined): void {
    if (notes?.closedAt === undefined || 'error' in ending) return;
    if (action.do !== 'disable' && action.do !== 'delete') return;
    const told = this.#told.get(notes) ?? new Set();
    this.#told.set(notes, told.add(life));
  }

  /** It is open again: what was told before says nothing. */
  opened(notes: WebhookNotes): void {
    this.#told.delete(notes);
  }

  sent({ life, at }: Sending, notes: WebhookNotes): void {
    const { closedAt, record } = notes;
    if (closedAt === undefined) return;
    this.#findings.mark('a request on its way to a closed webhook');
    if (this.#told.get(notes)?.has(life))
      this.#findings.violate('I13', `${life.name} sends to ${record.id}, which was closed there`);
    // Who was paused or whose clock was set back did not see the time pass.
    const since = Math.max(closedAt, life.disturbedAt);
    if (at - since > this.#boundMs)
      this.#findings.violate(
        'I13',
        `${life.name} sends to ${record.id} ${at - since} ms after it was closed, of ${this.#boundMs}`,
      );
  }
}
