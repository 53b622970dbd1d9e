import { describe, expect, test } from 'vitest';
import { parseEvent } from '../../src/publish/event-input.ts';
import type { NewEvent } from '../../src/publish/new-event.ts';
import { systemRandom } from '../../src/random.ts';

function fingerprint(event: NewEvent, now = 1_000): string {
  return parseEvent(event, { now, random: systemRandom, maxPayloadBytes: 10_000 }).event.fingerprint;
}

const base = { type: 'a.b', data: { x: 1 }, idempotencyKey: 'k' } as const;

test('the same event published again, later, under another generated id, has the same fingerprint', () => {
  expect(fingerprint(base, 1_000)).toBe(fingerprint({ ...base }, 2_000));
});

test('what is spelled differently but means the same is the same', () => {
  const headers = { 'X-A': '1', 'x-b': '2' };
  const swapped = { 'x-b': '2', 'x-a': '1' };
  expect(fingerprint({ ...base, headers })).toBe(fingerprint({ ...base, headers: swapped }));
  expect(fingerprint({ ...base, tenantId: 'default' })).toBe(fingerprint(base));
  expect(fingerprint({ ...base, data: { x: 1, y: undefined } })).toBe(fingerprint(base));
  const bytes = new TextEncoder().encode('é');
  const raw = { type: 'a', contentType: 'text/plain', idempotencyKey: 'k' };
  expect(fingerprint({ ...raw, body: bytes })).toBe(fingerprint({ ...raw, body: 'é' }));
});

describe('no two of these share a fingerprint', () => {
  const raw = { type: 'a.b', idempotencyKey: 'k', contentType: 'application/json' } as const;
  const variants: readonly NewEvent[] = [
    base,
    { ...base, type: 'a.c' },
    { ...base, data: { x: 2 } },
    { ...base, data: { x: '1' } },
    { ...base, data: '{"x":1}' },
    { ...base, idempotencyKey: 'l' },
    { ...base, tenantId: 't' },
    { ...base, source: 't' },
    { ...base, source: 'k' },
    { ...base, id: 'k' },
    { ...base, id: 't' },
    { ...base, orderingKey: 'k' },
    { ...base, orderingKey: 't' },
    { ...base, timestamp: new Date(5) },
    { ...base, deliverAt: new Date(5) },
    { ...base, headers: {} },
    { ...base, headers: { a: 'b' } },
    { ...base, headers: { a: 'b', c: '' } },
    { ...base, headers: { a: 'b,c' } },
    { ...raw, body: '{"x":1}' },
    { ...raw, body: '{"x": 1}' },
    { ...raw, body: '{"x":1}', contentType: 'text/json' },
    { ...raw, body: '\n{"x":1}' },
    { ...raw, body: '' },
  ];

  test('each is told from every other', () => {
    expect(new Set(variants.map((event) => fingerprint(event))).size).toBe(variants.length);
  });
});

test('it is made only where a stored event can be met: with an id or a key of the host', () => {
  expect(fingerprint({ type: 'a', data: 1 })).toBe('');
  expect(fingerprint({ type: 'a', data: 1, id: 'x' })).not.toBe('');
  expect(fingerprint({ type: 'a', data: 1, idempotencyKey: 'x' })).not.toBe('');
});
