/** What a catalogue makes of `publish`, with schemas of three libraries and one written by hand. */
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import {
  createSurehook,
  type EventOf,
  memoryRepos,
  type NewEvent,
  type Published,
  type StandardSchema,
  type Surehook,
} from '../../src/index.ts';

const repos = memoryRepos();

/** Not called: what is in it is for the compiler. */
function typed() {
  return createSurehook({
    repos,
    catalog: {
      'invoice.paid': z.object({ id: z.string(), total: z.coerce.number<string>(), at: z.date() }),
      'invoice.void': v.object({ id: v.string(), reason: v.optional(v.string(), 'none') }),
      'order.placed': type({ id: 'string', 'lines?': 'number[]' }),
      'order.seen': { '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }) } },
    },
    // After the catalogue, to see that a callback disturbs nothing.
    shape: (event, webhook) => ({ type: event.type, for: webhook.ownerId }),
  });
}

type Typed = ReturnType<typeof typed>;
type Event = Parameters<Typed['publish']>[0];

describe('with a catalogue', () => {
  test('each type takes what its schema takes, and not what it makes of it', () => {
    type DataOf<Type extends Event['type']> = Extract<Event, { type: Type }>['data'];
    expectTypeOf<Event['type']>().toEqualTypeOf<
      'invoice.paid' | 'invoice.void' | 'order.placed' | 'order.seen'
    >();
    expectTypeOf<DataOf<'invoice.paid'>>().toEqualTypeOf<{ id: string; total: string; at: Date }>();
    expectTypeOf<DataOf<'invoice.void'>>().toEqualTypeOf<{ id: string; reason?: string | undefined }>();
    expectTypeOf<DataOf<'order.placed'>>().toEqualTypeOf<{ id: string; lines?: number[] }>();
    expectTypeOf<DataOf<'order.seen'>>().toEqualTypeOf<unknown>();
  });

  test('what is wrong is an error of the compiler', () => {
    const use = (surehook: Typed): unknown[] => [
      surehook.publish({ type: 'invoice.void', data: { id: 'a' }, tenantId: 't1', idempotencyKey: 'k' }),
      surehook.publishMany([
        { type: 'invoice.paid', data: { id: 'a', total: '1', at: new Date() } },
        { type: 'order.placed', data: { id: 'a' } },
      ]),
      // @ts-expect-error no such type
      surehook.publish({ type: 'invoice.payed', data: { id: 'a' } }),
      // @ts-expect-error no data
      surehook.publish({ type: 'order.placed' }),
      // @ts-expect-error the data of another type
      surehook.publish({ type: 'invoice.paid', data: { id: 'a' } }),
      // @ts-expect-error a number for a string
      surehook.publish({ type: 'order.placed', data: { id: 7 } }),
      // @ts-expect-error what the schema makes of it
      surehook.publish({ type: 'invoice.paid', data: { id: 'a', total: 1, at: new Date() } }),
      // @ts-expect-error a field that the schema does not know
      surehook.publish({ type: 'order.placed', data: { id: 'a', linse: [] } }),
      // @ts-expect-error a body, which no schema could judge
      surehook.publish({ type: 'order.seen', body: 'x', contentType: 'text/plain' }),
      surehook.publishMany([
        { type: 'order.placed', data: { id: 'a' } },
        // @ts-expect-error one of several is wrong
        { type: 'order.placed', data: {} },
      ]),
    ];
    expectTypeOf(use).parameters.toEqualTypeOf<[Typed]>();
  });

  test('the result is the same, and what only looks things up takes any surehook', () => {
    expectTypeOf<Typed['publish']>().returns.resolves.toEqualTypeOf<Published>();
    expectTypeOf<Typed>().toExtend<Surehook>();
    expectTypeOf<Typed>().toExtend<Pick<Surehook, 'webhooks' | 'deliveries'>>();
    const listening = (surehook: Typed): Typed => surehook.on('error', () => {});
    expectTypeOf(listening).returns.toEqualTypeOf<Typed>();
  });

  test('it can be named', () => {
    type Catalog = { readonly 'a.b': StandardSchema<number, string> };
    expectTypeOf<EventOf<Catalog>>().toExtend<{ type: 'a.b'; data: number }>();
    expectTypeOf<Surehook<Catalog>['publish']>().parameter(0).toEqualTypeOf<EventOf<Catalog>>();
  });
});

test('without one, any event may be published', () => {
  const plain = (): Surehook => createSurehook({ repos, shape: ({ data }) => data });
  const inferred = () => createSurehook({ repos });
  for (const made of [plain, inferred]) {
    expectTypeOf<ReturnType<typeof made>['publish']>().parameter(0).toEqualTypeOf<NewEvent>();
  }
});
