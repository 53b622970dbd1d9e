import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSurehook, InvalidEventError, memoryRepos, type Surehook } from '../../src/index.ts';
import { migrate, postgresRepos } from '../../src/postgres/index.ts';
import type { Repos } from '../../src/repos.ts';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import { anAttempt, anEntry } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
const stores: Record<string, Repos> = { memory: memoryRepos(), SQLite: sqliteRepos(':memory:') };

beforeAll(async () => {
  server = await startServer();
  const pool = server.pool();
  await migrate(pool);
  stores.PostgreSQL = postgresRepos(pool, { notifications: false });
}, 30_000);
afterAll(() => server.dispose());

const NUL = '\u0000';
const text = new TextDecoder();

describe.each(['memory', 'SQLite', 'PostgreSQL'])(
  'NUL, which PostgreSQL keeps in no text, on %s',
  (store) => {
    const reposOf = (): Repos => stores[store] as Repos;
    const surehookOf = (): Surehook => createSurehook({ repos: reposOf() });

    it.each([
      ['id', { id: `a${NUL}` }],
      ['type', { type: `a.${NUL}` }],
      ['tenantId', { tenantId: `a${NUL}` }],
      ['source', { source: `a${NUL}` }],
      ['idempotencyKey', { idempotencyKey: NUL }],
      ['headers.x-a', { headers: { 'x-a': `a${NUL}` } }],
      [`headers.x${NUL}`, { headers: { [`x${NUL}`]: 'a' } }],
      ['contentType', { data: undefined, body: 'a', contentType: `text/plain${NUL}` }],
    ])('is refused in %s of an event', async (field, fields) => {
      const event = { type: 'a.b', data: 1, ...fields };
      const refusal = surehookOf().publish(event as { type: string; data: unknown });
      await expect(refusal).rejects.toBeInstanceOf(InvalidEventError);
      await expect(refusal).rejects.toMatchObject({ field });
    });

    it('is kept in the keys and strings of data, and in a body', async () => {
      const surehook = surehookOf();
      const data = { [`key${NUL}`]: [`text${NUL}`] };
      const asData = await surehook.publish({ type: 'a.b', data });
      const asBody = await surehook.publish({ type: 'a.b', body: `x${NUL}y`, contentType: 'text/plain' });
      const [one] = await reposOf().events.getEvents([asData.event.id]);
      const [other] = await reposOf().events.getEvents([asBody.event.id]);
      expect(JSON.parse(text.decode(one?.body)).data).toEqual(data);
      expect(text.decode(other?.body)).toBe(`x${NUL}y`);
    });

    it('is kept in what an endpoint answered', async () => {
      const { events } = reposOf();
      const now = Date.now();
      const entry = anEntry();
      await events.append([entry], { now });
      const { deliveries } = await events.claimExpress({ now, leaseUntil: now + 60_000, limit: 9 });
      const attempt = anAttempt({
        responseBody: `no${NUL}`,
        error: { kind: 'invalid-response', message: NUL },
      });
      const settlements = deliveries.map(({ delivery: { id, token } }) => ({
        deliveryId: id,
        token,
        attempt,
        next: { status: 'delivered' } as const,
      }));
      expect(await events.settle(settlements, { now })).toEqual(['applied']);
      expect(await events.attempts(entry.deliveries[0]?.id ?? '')).toMatchObject([attempt]);
    });

    it('is refused in what is looked up', async () => {
      const { webhooks, deliveries } = surehookOf();
      const refusals = [
        webhooks.get(NUL),
        webhooks.list({ tenantId: NUL }),
        deliveries.get(NUL),
        deliveries.list({ webhookId: NUL }),
        deliveries.list({ eventType: NUL }),
        deliveries.list({ cursor: Buffer.from(`1.dlv_${NUL}`).toString('base64url') }),
      ];
      for (const refusal of refusals) await expect(refusal).rejects.toMatchObject({ code: 'invalid-input' });
    });
  },
);
