import type { Life } from '../life.ts';
import type { Sending } from '../network.ts';
import type { Plan } from '../plan.ts';
import type { Ending, Managing } from '../watcher.ts';
import type { Findings } from './findings.ts';
import type { WebhookNotes } from './ledger.ts';

/** Who was told that a webhook is closed, and since when it is. */
interface Told {
  readonly closedAt: number;
  readonly lives: Set<Life>;
}

/** I13: once a webhook is disabled or deleted, no request starts for it: at once where that was done, elsewhere when the cache's time is up. */
export class ClosingLaws {
  readonly #findings: Findings;
  /** How long another process may go by what it has read before, ms. */
  readonly #boundMs: number;
  readonly #told = new WeakMap<WebhookNotes, Told>();

  constructor(findings: Findings, { settings, weather }: Plan) {
    const slowestMs = weather.slow > 0 ? 3 * settings.storageTimeoutMs : 0;
    this.#findings = findings;
    this.#boundMs = settings.webhookCacheMs + slowestMs + 2 * weather.latencyMs + 1;
  }

  managed({ life, action }: Managing, ending: Ending<unknown>, notes: WebhookNotes | undefined): void {
    if (notes?.closedAt === undefined || 'error' in ending) return;
    if (action.do !== 'disable' && action.do !== 'delete') return;
    const { closedAt } = notes;
    const told = this.#told.get(notes);
    // What was told before it was open in between says nothing.
    if (told?.closedAt === closedAt) told.lives.add(life);
    else this.#told.set(notes, { closedAt, lives: new Set([life]) });
  }

  sent({ life, at }: Sending, notes: WebhookNotes): void {
    const { closedAt, record } = notes;
    if (closedAt === undefined) return;
    this.#findings.mark('a request on its way to a closed webhook');
    const told = this.#told.get(notes);
    if (told?.closedAt === closedAt && told.lives.has(life))
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
