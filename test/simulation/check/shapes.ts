import type { AppendEntry, EventRecord } from '../../../src/index.ts';
import { hookNumber } from '../endpoint.ts';
import { shapedData } from '../options.ts';
import type { Plan } from '../plan.ts';
import type { Findings } from './findings.ts';
import type { DeliveryNotes, Ledger } from './ledger.ts';

/** What the checks of bytes work with. */
export interface ShapeLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly plan: Plan;
}

/** I23: a webhook gets what the shape made for it and for nobody else, the same bytes in every attempt, or the event as it was published. */
export class ShapeLaws {
  readonly #parts: ShapeLawParts;
  /** By webhook and event: what was sent first. */
  readonly #sent = new Map<string, Uint8Array>();

  constructor(parts: ShapeLawParts) {
    this.#parts = parts;
  }

  /** What is to be stored of new events, with their deliveries. */
  appended(entries: readonly AppendEntry[]): void {
    const { findings } = this.#parts;
    for (const { event, deliveries, bodies } of entries) {
      for (const { id, webhookId } of deliveries) {
        const own = bodies?.get(id);
        const expected = this.#bytesFor(webhookId, event);
        if (own !== undefined) findings.mark('shape: bytes of its own');
        if (expected === undefined || Buffer.compare(own ?? event.body, expected) !== 0)
          findings.violate('I23', `${id} is stored with other bytes than the shape makes for ${webhookId}`);
      }
    }
  }

  /** A delivery is about to be sent by itself. */
  sent({ body }: { readonly body: Uint8Array }, { record, event, isShaped }: DeliveryNotes): void {
    const { findings } = this.#parts;
    if (Buffer.compare(body, event.body) !== 0)
      findings.violate(isShaped ? 'I23' : 'I17', `${record.id} was sent with another body`);
    const pair = `${record.webhookId} ${event.id}`;
    const before = this.#sent.get(pair);
    if (before !== undefined && isShaped) findings.mark('shape: sent again');
    if (before !== undefined && Buffer.compare(body, before) !== 0)
      findings.violate('I23', `${record.webhookId} got other bytes under ${event.id} before`);
    this.#sent.set(pair, body);
  }

  #bytesFor(webhookId: string, event: EventRecord): Uint8Array | undefined {
    const { ledger, plan } = this.#parts;
    const hook = hookNumber(ledger.webhooks.get(webhookId)?.record.url ?? '');
    // What is made by the library itself, a test, goes to everybody as it is.
    if (event.type === 'webhook.test' || plan.webhooks[hook]?.shape === undefined) return event.body;
    const envelope: { readonly data: unknown } = JSON.parse(new TextDecoder().decode(event.body));
    const data = shapedData(plan, hook, envelope.data);
    return data === undefined ? undefined : Buffer.from(JSON.stringify({ ...envelope, data }));
  }
}
