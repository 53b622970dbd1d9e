import { hash } from 'node:crypto';
import { checkTenantId } from '../../domain/ids.ts';
import { InvalidEventError } from '../../errors.ts';
import type { BodyContent, EventFields } from '../../publish/new-event.ts';
import { eventTypeOf } from './content.ts';
import { contentTypeOf } from './gate.ts';
import { readText, runHook } from './hooks.ts';
import type { IngressMessage } from './message.ts';
import type { IngressSettings } from './options.ts';

/** The event that a genuine webhook is published as. Rejects with `InvalidEventError` or `HostCodeError`. */
export async function toEvent(
  message: IngressMessage,
  settings: IngressSettings,
): Promise<EventFields & BodyContent> {
  const { id, timestamp, body, headers } = message;
  const type = await typeOf(message, settings);
  const tenantId = await tenantOf(message, settings);
  const source = settings.source ?? message.source;
  const idempotencyKey = id === undefined ? undefined : keyOf(source, id);
  return {
    type,
    tenantId,
    source,
    timestamp,
    idempotencyKey,
    headers: forwarded(headers, settings),
    body,
    contentType: contentTypeOf(headers),
  };
}

async function typeOf(message: IngressMessage, { type, clock }: IngressSettings): Promise<string> {
  if (typeof type === 'string') return type;
  const name =
    type === undefined
      ? message.type
      : await runHook(clock, { part: 'type', call: () => type(message), read: readText });
  const made = name === undefined ? undefined : eventTypeOf(name);
  if (made === undefined) throw new InvalidEventError('type', 'The webhook has no type to publish');
  return made;
}

async function tenantOf(
  message: IngressMessage,
  { tenantId, clock }: IngressSettings,
): Promise<string | undefined> {
  if (typeof tenantId !== 'function') return tenantId;
  const read = (answer: unknown): string | undefined =>
    answer === undefined ? undefined : checkTenantId('tenantId', answer);
  const made = await runHook(clock, { part: 'tenantId', call: () => tenantId(message), read });
  if (made === undefined) throw new InvalidEventError('tenantId', 'The webhook belongs to no tenant');
  return made;
}

/** Of one length whatever the sender's id is, and different for all ids and sources: the two are joined as JSON. */
function keyOf(source: string | undefined, id: string): string {
  return `ingress:${hash('sha256', JSON.stringify([source ?? '', id]), 'base64url')}`;
}

function forwarded(
  headers: Headers,
  { forwardHeaders }: IngressSettings,
): Record<string, string> | undefined {
  const found: Record<string, string> = {};
  for (const name of forwardHeaders) {
    const value = headers.get(name);
    if (value !== null) found[name] = value;
  }
  return forwardHeaders.length === 0 ? undefined : found;
}
