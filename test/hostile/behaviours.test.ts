import { describe, expect, it } from 'vitest';
import type { Transport } from '../../src/http/transport.ts';
import { httpTransport } from '../../src/http/undici-transport.ts';
import { attempt, DEADLINE_MS, eventually, MAX_RESPONSE_BYTES } from './attempt.ts';
import {
  type Behaviour,
  behaviours,
  hostileCa,
  hostileResolve,
  openPolicy,
  publicPolicy,
} from './behaviours.ts';

function transportFor(behaviour: Behaviour): Transport {
  return httpTransport({
    policy: behaviour.isCanary === true ? publicPolicy : openPolicy,
    resolve: hostileResolve,
    tls: { ca: hostileCa },
  });
}

describe('an endpoint that', () => {
  it('is in the table has a name of its own', () => {
    expect(new Set(behaviours.map((behaviour) => behaviour.name)).size).toBe(behaviours.length);
  });

  it.each(behaviours)('$name ends the attempt in time, with the right outcome', async (behaviour) => {
    const server = await behaviour.start();
    const transport = transportFor(behaviour);
    try {
      const result = await attempt(transport, server.url);
      const { expected } = behaviour;
      expect(result.elapsedMs).toBeLessThan(DEADLINE_MS + 250);
      expect({ status: result.httpStatus, kind: result.kind, message: result.message }).toMatchObject({
        status: expected.status,
      });
      if ('kinds' in expected) expect(expected.kinds).toContain(result.kind);
      else if (expected.body !== undefined)
        expect(Buffer.from(result.response?.body ?? []).toString('latin1')).toBe(expected.body);
      expect(result.response?.body.length ?? 0).toBeLessThanOrEqual(MAX_RESPONSE_BYTES);
      expect(result.message ?? '').not.toMatch(/127\.0\.0\.1|::1|169\.254|:\d{4,5}/);
      if (behaviour.isCanary === true) expect(server.accepted()).toBe(0);
    } finally {
      await transport.close?.();
      expect(await eventually(() => server.open() === 0)).toBe(true);
      await server.close();
    }
  });
});
