import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  afterFailure,
  batchEvent,
  batchKind,
  batchOf,
  bytesInBatch,
  isRefusal,
} from '../../src/domain/batch.ts';
import type { EventRecord } from '../../src/domain/event.ts';

const AT = Date.UTC(2026, 10, 21);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function event(id: string, body: string, fields: Partial<EventRecord> = {}): EventRecord {
  return {
    id,
    tenantId: 't',
    type: 'a.b',
    body: encoder.encode(body),
    contentType: 'application/json',
    timestamp: AT,
    createdAt: AT,
    fingerprint: '',
    ...fields,
  };
}

function enveloped(id: string, data: unknown): EventRecord {
  const timestamp = new Date(AT).toISOString();
  return event(id, JSON.stringify({ type: 'a.b', timestamp, data }));
}

function textOf(members: readonly EventRecord[]): string {
  return decoder.decode(batchEvent('bat_1', members).body);
}

describe('the body of a batch', () => {
  it('is the JSON array of its events, each with its id', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 8 }), (values) => {
        const members = values.map((data, n) => enveloped(`evt_${n}`, data));
        const timestamp = new Date(AT).toISOString();
        const expected = values.map((data, n) => ({ id: `evt_${n}`, type: 'a.b', timestamp, data }));
        expect(JSON.parse(textOf(members))).toEqual(JSON.parse(JSON.stringify(expected)));
      }),
    );
  });

  it('takes no more bytes than were counted for its members', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 8 }), (texts) => {
        const members = texts.map((data, n) => enveloped(`evt_${n}`, data));
        const counted = members.reduce((sum, member) => sum + bytesInBatch(member), 1);
        expect(batchEvent('bat_1', members).body.length).toBeLessThanOrEqual(counted);
      }),
    );
  });

  it('makes other JSON the data of an event, whatever it looks like', () => {
    const raw = ['{"raw":true}', '[1]', 'null', '{"type":"a.b","timestamp":"later","data":1}'];
    const parsed = JSON.parse(textOf(raw.map((body, n) => event(`evt_${n}`, body)))) as { data: unknown }[];
    expect(parsed.map(({ data }) => data)).toEqual(raw.map((body) => JSON.parse(body)));
  });

  it('puts what is not JSON one behind the other', () => {
    const members = ['one', 'two'].map((body, n) => event(`evt_${n}`, body, { contentType: 'text/plain' }));
    expect(textOf(members)).toBe('onetwo');
  });

  test.each(['application/json', 'application/json; charset=utf-8', 'application/vnd.api+json'])(
    '%s is JSON',
    (contentType) => {
      expect(textOf([event('evt_1', '1', { contentType })])).toMatch(/^\[\{"id":"evt_1",.*"data":1\}\]$/);
    },
  );

  it('has the id of the batch, and what its events have in common', () => {
    const headers = { 'x-trace': '7' };
    expect(batchEvent('bat_1', [event('evt_1', '1', { headers })])).toMatchObject({ id: 'bat_1', headers });
  });
});

describe('the kind of an event', () => {
  it('does not depend on the case and the spaces of a content type, nor on the order of headers', () => {
    const one = { contentType: 'application/json; charset=UTF-8', headers: { a: '1', b: '2' } };
    const two = { contentType: 'Application/JSON;charset=utf-8', headers: { b: '2', a: '1' } };
    expect(batchKind(one)).toBe(batchKind(two));
    expect(batchKind({ contentType: 'text/plain' })).not.toBe(batchKind({ contentType: 'text/html' }));
    expect(batchKind({ ...one, headers: { a: '1' } })).not.toBe(batchKind(one));
  });
});

describe('how many make a batch', () => {
  const limits = { maxEvents: 3, maxBytes: 100, maxWaitMs: 0 };
  const one = { bytes: 30, kind: 'k', tries: 0, isTaken: false };

  test.each([
    [[], { length: 0, isFull: false }],
    [[one], { length: 1, isFull: false }],
    [[one, one, one, one], { length: 3, isFull: true }],
    [[one, one, one], { length: 3, isFull: true }],
    [[one, { ...one, bytes: 80 }], { length: 1, isFull: true }],
    [[{ ...one, bytes: 900 }], { length: 1, isFull: false }],
    [[{ ...one, bytes: 900 }, one], { length: 1, isFull: true }],
    [[one, { ...one, kind: 'other' }], { length: 1, isFull: true }],
    [[one, { ...one, tries: 1 }], { length: 1, isFull: true }],
    [[one, { ...one, isTaken: true }], { length: 1, isFull: true }],
    [[one, { ...one, bytes: 70 }], { length: 2, isFull: false }],
  ])('%j', (candidates, expected) => {
    expect(batchOf(candidates, limits)).toEqual(expected);
  });
});

describe('what a failure makes of a batch', () => {
  const batch = { id: 'bat_1', size: 4, refusals: 0 };

  test.each([
    [batch, 500, 'stays'],
    [batch, 0, 'stays'],
    [batch, 302, 'stays'],
    [batch, 429, 'stays'],
    [batch, 408, 'stays'],
    [batch, 400, 'refused'],
    [{ ...batch, refusals: 1 }, 500, 'stays'],
    [{ ...batch, refusals: 1 }, 422, 'splits'],
    [{ ...batch, refusals: 1, size: 1 }, 422, 'refused'],
  ] as const)('%j, answered %i: %s', (of, status, fate) => {
    expect(afterFailure(of, { httpStatus: status, isUsedUp: false })).toBe(fate);
  });

  it('splits a refused batch that has no try left, and never a single event', () => {
    const last = { httpStatus: 400, isUsedUp: true };
    expect(afterFailure(batch, last)).toBe('splits');
    expect(afterFailure({ ...batch, size: 1 }, last)).toBe('refused');
    expect(afterFailure(batch, { httpStatus: 500, isUsedUp: true })).toBe('stays');
  });

  it('takes a 4xx for a refusal that says something of the events', () => {
    const refusals = Array.from({ length: 100 }, (_, n) => 400 + n).filter(isRefusal);
    expect(refusals).toHaveLength(96);
    expect([399, 500, 0].some(isRefusal)).toBe(false);
  });
});

describe('a body that says it is JSON and is not', () => {
  it.each(['', '{"a":1}\n{"a":2}', '\ufeff{"a":1}', 'plain'])('%j goes in as text', (body) => {
    const [one, two] = JSON.parse(textOf([event('evt_1', body), event('evt_2', '1')])) as { data: unknown }[];
    expect([one?.data, two?.data]).toEqual([body, 1]);
  });
});
