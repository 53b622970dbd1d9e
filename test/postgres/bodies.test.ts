import fc from 'fast-check';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isText } from '../../src/postgres/bodies.ts';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { AppendEntry, DeliveryContent } from '../../src/repos.ts';
import { aDelivery, anEvent, freshId, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

const TEXTS: readonly Buffer[] = [
  '',
  '{"type":"invoice.paid"}',
  'é ß ſ',
  '€ 漢字',
  '😀 👩‍👩‍👧 \u{10ffff}',
  '\u0001\u007f\u0080\u00a0\u2028\uffff',
  '\\x00 \\000 \'"$1',
  'in the middle \ufeff a mark',
  '\ufe0f\uff00',
  'long 😀 '.repeat(20_000),
].map((text) => Buffer.from(text));

const OTHERS: readonly Buffer[] = [
  Buffer.from([0xff]),
  Buffer.from([0x41, 0x80]),
  Buffer.from([0xc0, 0x80]),
  Buffer.from([0xe2, 0x82]),
  Buffer.from([0xf0, 0x9f, 0x98]),
  Buffer.from([0xf4, 0x90, 0x80, 0x80]),
  // Lone surrogates, each as three bytes; and two that are a pair.
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0x22, 0xed, 0xbf, 0xbf, 0x22]),
  Buffer.from([0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]),
  Buffer.from('\u0000'),
  Buffer.from('a\u0000b'),
  Buffer.from('\ufeff'),
  Buffer.from('\ufeff{}'),
  Buffer.from(times(256, (byte) => byte)),
];

/** In an order in which the end of one and the beginning of the next would be one character. */
const ALL: readonly Buffer[] = [
  Buffer.from([0xe2, 0x82]),
  Buffer.from([0xac]),
  ...OTHERS,
  ...TEXTS,
  ...OTHERS,
];

const now = Date.now();
const lease = { now, leaseUntil: now + 60_000 };

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
}, 30_000);
afterAll(() => server.dispose());

/** What a row brought of a body. */
interface Brought {
  readonly body?: Uint8Array | null;
  readonly body_text?: string | null;
}

/** An event of each body, all with one delivery in that queue. */
function entriesOf(bodies: readonly Uint8Array[], webhookId: string, orderingKey?: string): AppendEntry[] {
  const queue = webhookId === '' ? 'express' : 'own';
  return bodies.map((body) => {
    const event = anEvent({ body, ...(orderingKey !== undefined && { orderingKey }) });
    const fields = { webhookId, queue, ...(orderingKey !== undefined && { orderingKey }) } as const;
    return { event, deliveries: [aDelivery(event, fields)] };
  });
}

const hex = ({ body }: { readonly body: Uint8Array }): string => Buffer.from(body).toString('hex');
const bodiesIn = (contents: readonly DeliveryContent[]): string[] => contents.map(({ event }) => hex(event));
const sent = (bodies: readonly Uint8Array[]): string[] => bodies.map((body) => hex({ body }));

describe.each(['UTF8', 'LATIN1', 'SQL_ASCII'])('a body in a database of %s', (encoding) => {
  let pool: Pool;
  let repos: PostgresRepos;
  /** Of all bodies that were read, as they came. */
  let brought: Brought[] = [];

  const seen = (rows: readonly Brought[]): void => {
    brought.push(...rows.filter(({ body, body_text }) => (body ?? body_text ?? undefined) !== undefined));
  };

  /** Reads, and checks that each body came once, as text where it is text and the database is of UTF-8. */
  async function reading<T>(bodies: readonly Uint8Array[], read: () => Promise<T>): Promise<T> {
    brought = [];
    const result = await read();
    const texts = brought.filter(({ body }) => body === null).map(({ body_text }) => body_text);
    const bytes = brought.filter(({ body_text }) => body_text === null).flatMap(({ body }) => body ?? []);
    const isSentAsText = (body: Uint8Array): boolean => encoding === 'UTF8' && isText(body);
    expect(brought).toHaveLength(bodies.length);
    expect(texts.toSorted()).toEqual(bodies.filter(isSentAsText).map(String).toSorted());
    expect(sent(bytes).toSorted()).toEqual(sent(bodies.filter((body) => !isSentAsText(body))).toSorted());
    return result;
  }

  beforeAll(async () => {
    const name = `bodies_${encoding.toLowerCase()}`;
    await server
      .pool()
      .query(`CREATE DATABASE ${name} ENCODING '${encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`);
    pool = server.pool({ database: name });
    await migrate(pool);
    const spied = (on: Pick<Pool, 'query'>) => ({
      query: async (text: string, values: unknown[] = []) => {
        const result = await on.query(text, values);
        seen(result.rows);
        return result;
      },
    });
    const connect = async () => {
      const client = await pool.connect();
      return { ...spied(client), release: () => client.release() };
    };
    repos = postgresRepos({ ...spied(pool), connect }, { notifications: false });
  }, 30_000);

  it('comes back among others', async () => {
    const entries = entriesOf(ALL, freshId('whk'));
    await repos.events.append(entries, { now });
    const ids = entries.map(({ event }) => event.id);
    const events = await reading(ALL, () => repos.events.getEvents(ids));
    const byId = new Map(events.map((event) => [event.id, hex(event)]));
    expect(ids.map((id) => byId.get(id))).toEqual(sent(ALL));
    const deliveries = entries.flatMap((entry) => entry.deliveries.map(({ id }) => id));
    const contents = await reading(ALL, () => repos.events.getContents(deliveries));
    const byDelivery = new Map(contents.map(({ delivery, event }) => [delivery.id, hex(event)]));
    expect(deliveries.map((id) => byDelivery.get(id))).toEqual(sent(ALL));
  });

  it('comes back alone, appended as a plain array, and is told to whoever repeats it', async () => {
    for (const body of [...TEXTS, ...OTHERS]) {
      const entries = entriesOf([new Uint8Array(body)], freshId('whk'));
      await repos.events.append(entries, { now });
      const [again] = await reading([body], () => repos.events.append(entries, { now }));
      expect(again).toMatchObject({ duplicate: true });
      expect(again && hex(again.event)).toBe(hex({ body }));
    }
  });

  it('is claimed from the express queue', async () => {
    await repos.events.append(entriesOf(ALL, ''), { now });
    const { deliveries } = await reading(ALL, () => repos.events.claimExpress({ ...lease, limit: 99 }));
    expect(bodiesIn(deliveries)).toEqual(sent(ALL));
  });

  it.each([
    ['an own queue', undefined],
    ['its line', 'key'],
  ])('is claimed from %s', async (_, key) => {
    const webhookId = freshId('whk');
    await repos.events.append(entriesOf([...TEXTS, ...OTHERS], webhookId, key), { now });
    const expected = key === undefined ? [...TEXTS, ...OTHERS] : TEXTS.slice(0, 1);
    const queues = [{ webhookId, limit: 99 }];
    const [result] = await reading(expected, () => repos.events.claimQueues({ ...lease, queues }));
    expect(bodiesIn(result?.deliveries ?? [])).toEqual(sent(expected));
  });

  it.each([
    ['', undefined],
    [' of an unusual kind', 'application/octet-stream'],
  ])('is claimed in a batch%s', async (_, type) => {
    const webhookId = freshId('whk');
    const entries = entriesOf(ALL, webhookId).map(({ event, deliveries }) => ({
      event: { ...event, ...(type !== undefined && { contentType: type }) },
      deliveries,
    }));
    await repos.events.append(entries, { now });
    const batch = { id: freshId('bat'), maxEvents: 99, maxBytes: 9_999_999, maxWaitMs: 0 };
    const queues = [{ webhookId, limit: 1, batch }];
    const [result] = await reading(ALL, () => repos.events.claimQueues({ ...lease, queues }));
    expect(bodiesIn(result?.deliveries ?? [])).toEqual(sent(ALL));
  });

  it('of a delivery’s own comes as bytes, beside that of the event', async () => {
    const webhookId = freshId('whk');
    const entries = TEXTS.map((body): AppendEntry => {
      const event = anEvent({ body });
      const [own, other] = times(2, () => aDelivery(event, { webhookId, queue: 'own' }));
      if (own === undefined || other === undefined) throw new Error('made two');
      return { event, deliveries: [own, other], bodies: new Map([[own.id, Buffer.concat([body, body])]]) };
    });
    await repos.events.append(entries, { now });
    brought = [];
    const [result] = await repos.events.claimQueues({ ...lease, queues: [{ webhookId, limit: 99 }] });
    expect(bodiesIn(result?.deliveries ?? [])).toEqual(
      TEXTS.flatMap((body) => sent([Buffer.concat([body, body]), body])),
    );
    const asBytes = brought.filter(({ body }) => body !== null);
    expect(asBytes).toHaveLength(encoding === 'UTF8' ? TEXTS.length : 2 * TEXTS.length);
  });
});

describe('what is text', () => {
  const decoder = new TextDecoder();
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.string({ unit: 'binary', maxLength: 8 }).map((text) => new Uint8Array(Buffer.from(text))),
    fc
      .tuple(fc.subarray([0xef, 0xbb, 0xbf]), fc.constantFrom('', 'a', '\u0000', '\ufeff'))
      .map(([mark, text]) => new Uint8Array([...mark, ...Buffer.from(text)])),
  );

  it('is what a decoder that drops a byte order mark reads without loss, without a NUL', () => {
    fc.assert(
      fc.property(bytes, (body) => {
        const isKept = Buffer.from(decoder.decode(body)).equals(body);
        expect(isText(body)).toBe(isKept && !body.includes(0));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is each of these, and none of those', () => {
    expect(TEXTS.filter((body) => !isText(body))).toEqual([]);
    expect(OTHERS.filter(isText)).toEqual([]);
  });
});
