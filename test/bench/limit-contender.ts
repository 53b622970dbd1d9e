/**
 * The most one process can do: an array and a loop over undici, nothing stored, nothing checked. It signs with standardwebhooks or, as a harder
 * limit, with node:crypto and a cached key.
 */
import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { Pool } from 'undici';
import type { Contender, PathOf } from './contender.ts';
import { type BenchEvent, bodyOf, ENDPOINTS } from './work.ts';

const LANES = 64;

type Sign = (id: string, at: Date, body: string) => string;

function signWithLibrary(key: Buffer): Sign {
  const webhook = new Webhook(key.toString('base64'));
  return (id, at, body) => webhook.sign(id, at, body);
}

function signWithCrypto(bytes: Buffer): Sign {
  const key = createSecretKey(bytes);
  return (id, at, body) => {
    const text = `${id}.${Math.floor(at.getTime() / 1000)}.${body}`;
    return `v1,${createHmac('sha256', key).update(text).digest('base64')}`;
  };
}

interface Item {
  readonly id: string;
  readonly endpoint: number;
  readonly body: string;
}

export function limitContender(origin: string, pathOf: PathOf, signer: 'library' | 'crypto'): Contender {
  const pool = new Pool(origin, { connections: LANES, pipelining: 1, keepAliveTimeout: 60_000 });
  const makeSign = signer === 'library' ? signWithLibrary : signWithCrypto;
  const endpoints = Array.from({ length: ENDPOINTS }, (_, n) => ({
    path: pathOf(n),
    sign: makeSign(randomBytes(24)),
  }));
  const backlog: Item[] = [];
  let delivered = 0;

  const deliver = async ({ id, endpoint, body }: Item): Promise<void> => {
    const { path, sign } = endpoints[endpoint] as (typeof endpoints)[number];
    const at = new Date();
    const response = await pool.request({
      path,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': sign(id, at, body),
      },
      body,
    });
    await response.body.dump();
    if (response.statusCode !== 204) throw new Error(`The sink answered ${response.statusCode}`);
    delivered++;
  };

  const push = (event: BenchEvent): string => {
    const id = `msg_${String(backlog.length).padStart(9, '0')}`;
    backlog.push({ id, endpoint: event.endpoint, body: bodyOf(event) });
    return id;
  };

  return {
    add: async (events) => events.map(push),
    addOne: async (event) => push(event),
    async start() {
      let next = 0;
      const lane = async (): Promise<void> => {
        while (next < backlog.length) await deliver(backlog[next++] as Item);
      };
      for (let n = 0; n < LANES; n++) void lane();
    },
    async settled() {
      while (delivered < backlog.length) await wait(10);
    },
    delivered: () => delivered,
    stop: () => pool.close(),
  };
}
