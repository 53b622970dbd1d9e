import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Pool } from 'pg';
import { expect, it } from 'vitest';
import { postgresRepos } from '../../src/postgres/index.ts';

/** A message of the protocol: its type, its length, its content. */
function message(type: string, content: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(content.length + 4, 1);
  return Buffer.concat([head, content]);
}

const welcome = Buffer.concat([message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))]);
const farewell = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'));

/** A server that cuts each connection in the same breath in which it is ready. */
async function ruthlessServer(): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => socket.end(Buffer.concat([welcome, farewell])));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

it('a connection that is cut in the moment in which it is lent ends no process', async () => {
  const server = await ruthlessServer();
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', note);
  try {
    const pool = new Pool({ host: '127.0.0.1', port: server.port, user: 'anyone', database: 'any' });
    const errors: unknown[] = [];
    const repos = postgresRepos(pool, { onError: (error) => errors.push(error) });
    const end = repos.events.onWork?.(() => {});
    await wait(100);
    end?.();
    await repos.close();
    await pool.end();
    expect(errors).not.toEqual([]);
    expect(uncaught).toEqual([]);
  } finally {
    process.removeListener('uncaughtException', note);
    for (const other of others) process.on('uncaughtException', other);
    server.close();
  }
});
