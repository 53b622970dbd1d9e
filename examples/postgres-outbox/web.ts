/** The process that takes orders: `POST {"id","item"}`. It publishes but delivers nothing, so it never calls `start()`. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'pg';
import { openSurehook } from './outbox.ts';
import { placeOrder, SoldOutError } from './shop.ts';

const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const surehook = openSurehook(pool);

const server = createServer((request, response) => {
  void answer(request).then((status) => response.writeHead(status).end());
});

async function answer(request: IncomingMessage): Promise<number> {
  try {
    const order = JSON.parse(Buffer.concat(await request.toArray()).toString());
    await placeOrder(pool, surehook, order);
    return 201;
  } catch (error) {
    if (error instanceof SoldOutError) return 409;
    process.stderr.write(`web: ${error}\n`);
    return 500;
  }
}

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.(`http://127.0.0.1:${port}`);
});
process.once('message', () => process.disconnect());
process.once('disconnect', () => process.exit());
