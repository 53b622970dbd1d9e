import type { BodyContent, EventFields } from '../../publish/new-event.ts';
import { readBody } from '../body.ts';
import { Refusal, report } from '../host.ts';
import type { WebHandler } from '../node.ts';
import { checkGate } from './gate.ts';
import { readVerified, runHook } from './hooks.ts';
import type { IngressMessage, IngressRequest } from './message.ts';
import { checkIngressOptions, type IngressOptions, type IngressSettings } from './options.ts';
import { answerTo, refused, stored } from './refusing.ts';
import { toEvent } from './to-event.ts';

/** What an ingress handler needs of a surehook: one without a catalogue, whose events may be any bytes. */
export interface IngressTarget {
  publish(event: EventFields & BodyContent): Promise<IngressPublished>;
}

/** What it needs of the outcome. */
interface IngressPublished {
  readonly event: { readonly id: string };
  readonly duplicate: boolean;
}

/**
 * Makes a handler of incoming webhooks: each is verified and then published, its body byte for byte. 202 `{ id, duplicate }` is answered once it is
 * stored; of all with one id of the sender's the first is, and another body under that id gets 409. What gets another answer was not stored: 400
 * malformed, 401 not genuine, 403 the address, 405, 408 too slow, 413, 415, 422 no type or tenant, 429, 503 storage, 500 any other fault, of
 * the host's hooks too. Throws `TypeError` or `RangeError` naming the option that is wrong.
 *
 * @example
 * const handler = ingressHandler(surehook, { verify: stripe({ secret: 'whsec_…' }) });
 * createServer(toNodeHandler(handler)).listen(8080);
 */
export function ingressHandler(surehook: IngressTarget, options: IngressOptions): WebHandler {
  if (typeof surehook?.publish !== 'function') throw new TypeError('surehook must have the method publish');
  const settings = checkIngressOptions(options);
  return async (request, context) => {
    try {
      checkGate(request, context, settings);
      const message = await verified(await read(request, settings), settings);
      const { event, duplicate } = await surehook.publish(await toEvent(message, settings));
      return stored(event.id, duplicate);
    } catch (error) {
      if (!(error instanceof Refusal)) report(error, settings.onError);
      return answerTo(error);
    }
  };
}

async function read(request: Request, settings: IngressSettings): Promise<IngressRequest> {
  const { maxBytes, readTimeoutMs: timeoutMs, clock } = settings;
  // An empty body would be verified in place of the one that is gone.
  if (request.bodyUsed)
    throw new TypeError('the body was read before: mount the handler before parsers of bodies');
  const body = await readBody(request, { maxBytes, timeoutMs, clock });
  if (typeof body === 'string') throw refused(body);
  return { headers: request.headers, body, url: request.url, now: clock.now() };
}

async function verified(
  request: IngressRequest,
  { verify, clock }: IngressSettings,
): Promise<IngressMessage> {
  const found = await runHook(clock, { part: 'verify', call: () => verify(request), read: readVerified });
  if (found === false) throw refused('signature');
  return { ...request, ...found };
}
