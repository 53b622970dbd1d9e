/**
 * What your customer runs: a process that notes each order in a file. It verifies no signature, to be short; `examples/tour/receiver.ts`
 * shows how a real one does.
 */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [, , file = ''] = process.argv;

const server = createServer((request, response) => {
  void (async () => {
    const { data } = JSON.parse(Buffer.concat(await request.toArray()).toString());
    appendFileSync(file, `${data.order}\n`);
    // Noted, but not answered yet: when the shop is killed now, it cannot know and will send the event again.
    await sleep(50 + Math.random() * 250);
    response.writeHead(204).end();
  })();
});

// A ctrl-C reaches every process of the terminal; the shop still needs this one. It ends with the shop, however that ends.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.(`http://127.0.0.1:${port}/webhooks`);
});
