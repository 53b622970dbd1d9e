import { isEventType } from '../../domain/event-pattern.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** What a body of JSON says; `undefined` where it is no JSON in UTF-8. */
export function parsedJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(body));
  } catch {
    return undefined;
  }
}

/** An own field of a parsed object that is a text with something in it. */
export function textField(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  const field: unknown = (value as Record<string, unknown>)[name];
  return typeof field === 'string' && field !== '' ? field : undefined;
}

/**
 * The event type that a sender's name for what happened becomes: whatever is not of `A-Z a-z 0-9 _ - .` is replaced by `_`, a
 * run of it by one, and empty segments are left out: `Invoice Paid!` is `Invoice_Paid_`, `.a..b` is `a.b`. `undefined` where nothing is
 * left, or more than an event type may have (20 segments, 128 characters).
 */
export function eventTypeOf(name: string): string | undefined {
  const segments = name.replace(/[^A-Za-z0-9_.-]+/g, '_').split('.');
  const type = segments.filter((segment) => segment !== '').join('.');
  return isEventType(type) ? type : undefined;
}
