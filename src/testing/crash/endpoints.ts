import type { Clock } from '../../clock.ts';
import type { WebhookRecord } from '../../domain/webhook.ts';
import type { Transport } from '../../http/transport.ts';
import { type ScriptedAnswer, type SentRequest, scriptedTransport } from '../scripted-transport.ts';
import type { Scenario } from './scenarios.ts';

/** A request as its endpoint saw it. */
export interface Receipt {
  readonly webhookId: string;
  /** The `webhook-id` header: of an event, or of a batch. */
  readonly id: string;
  /** The events in it. */
  readonly eventIds: readonly string[];
  readonly body: string;
  /** Whether it was or will be answered 2xx. */
  readonly accepted: boolean;
  /** Which process sent it, 1 for the first. */
  readonly life: number;
}

/** What endpoints know of the rest. */
interface EndpointsParts {
  readonly clock: Clock;
  readonly life: () => number;
}

/** The endpoints of a history: they live on when processes end. */
export class Endpoints {
  readonly receipts: Receipt[] = [];
  readonly transport: Transport;

  /** @param life tells which process sends: called once with each request. */
  constructor(webhooks: readonly WebhookRecord[], scenario: Scenario, { clock, life }: EndpointsParts) {
    const begin = clock.now();
    const answer = (request: SentRequest): ScriptedAnswer => {
      const index = webhooks.findIndex(({ url }) => url === request.url);
      const given = scenario.webhooks[index]?.answers(clock.now() - begin) ?? 500;
      const id = request.headers['webhook-id'] ?? '';
      const body = request.text();
      this.receipts.push({
        webhookId: webhooks[index]?.id ?? '',
        id,
        eventIds: eventsIn(id, body),
        body,
        accepted: isSuccess(given),
        life: life(),
      });
      return given;
    };
    this.transport = scriptedTransport(answer, { clock });
  }
}

function eventsIn(id: string, body: string): readonly string[] {
  const content: unknown = JSON.parse(body);
  return Array.isArray(content) ? content.map((element: { readonly id: string }) => element.id) : [id];
}

function isSuccess(answer: ScriptedAnswer): boolean {
  if (typeof answer === 'number') return answer < 300;
  return typeof answer === 'object' && 'then' in answer && isSuccess(answer.then);
}
