/** Run as a process of its own: prints what of the global scope differs after surehook was loaded and used. */
import { type AddressInfo, createServer } from 'node:net';

const scope = globalThis as unknown as Record<PropertyKey, unknown>;

/**
 * The names of all globals, and the values of those named by symbols: undici's dispatchers. Values of the others are looked at in the
 * second run only, because to look at `fetch` makes Node load its own undici, which then hides the coming of another.
 */
function snapshot(readsValues: boolean): Map<PropertyKey, unknown> {
  const seen = new Map<PropertyKey, unknown>();
  for (const key of Reflect.ownKeys(scope)) {
    seen.set(key, readsValues || typeof key === 'symbol' ? scope[key] : undefined);
  }
  return seen;
}

const readsValues = process.argv[2] === 'used';
// Not `node:http`: to import it loads Node's own undici too.
const server = createServer((socket) => {
  socket.once('data', () => socket.end('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n'));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
if (readsValues) await fetch(url);

const before = snapshot(readsValues);
const { httpTransport } = await import('../../src/index.ts');
const transport = httpTransport({
  policy: { allowHttp: true, allowPrivateAddresses: true, ports: undefined },
});
const { status } = await transport.send({
  url,
  method: 'POST',
  headers: {},
  body: new Uint8Array(1),
  maxResponseBytes: 10,
  signal: new AbortController().signal,
  onAbort: () => {},
});
await transport.close?.();
const after = snapshot(readsValues);

const keys = new Set([...before.keys(), ...after.keys()]);
const changed = [...keys]
  .filter((key) => !before.has(key) || !Object.is(before.get(key), after.get(key)))
  .map(String);
console.log(JSON.stringify({ version: process.version, changed, status }));
server.close();
