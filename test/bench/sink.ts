/**
 * A process that answers: `/e/N` with 204, `/any/N` too, without a look, `/dead/N` with 500, `/hang/N` never (its connections are closed after a bound). On bare sockets, so that it
 * takes less CPU than what it measures. The parent steers it by messages.
 */
import { createServer, type Socket } from 'node:net';
import { monotonicMs, type SinkCommand, type SinkReply, type SinkReport } from './protocol.ts';

const HANG_MS = 30_000;
const ANSWERS: Readonly<Record<string, string>> = {
  e: 'HTTP/1.1 204 No Content\r\n\r\n',
  any: 'HTTP/1.1 204 No Content\r\n\r\n',
  dead: 'HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n',
};
const REQUEST = /^POST \/(e|any|dead|hang)\/\d+ /;
const LENGTH = /\r\ncontent-length: *(\d+)/i;
const ID = /\r\nwebhook-id: *([^\r]+)/i;
const SIGNATURE = /\r\nwebhook-signature: *v1,/i;

let arrivals = new Map<string, number>();
let marks: readonly number[] = [];
let duplicates = 0;
let malformed = 0;
let dead = 0;
let hanging = 0;
let cpuAtReset = process.cpuUsage();

function reply(message: SinkReply): void {
  process.send?.(message);
}

function count(head: string): void {
  const id = ID.exec(head)?.[1];
  if (id === undefined || !SIGNATURE.test(head)) {
    malformed++;
  } else if (arrivals.has(id)) {
    duplicates++;
  } else {
    const at = monotonicMs();
    arrivals.set(id, at);
    if (marks.includes(arrivals.size)) reply({ mark: arrivals.size, at });
  }
}

function answer(socket: Socket, head: string, bodyBytes: number): void {
  const path = REQUEST.exec(head)?.[1] ?? '';
  if (path === 'hang') {
    hanging++;
    setTimeout(() => socket.destroy(), HANG_MS).unref();
    return;
  }
  if (path === 'dead') dead++;
  else if (path === 'e' && bodyBytes === 1024) count(head);
  else if (path !== 'any') malformed++;
  socket.write(ANSWERS[path] ?? 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
}

/** Answers every whole request in the data and returns what is left. */
function consume(socket: Socket, received: Buffer): Buffer {
  let data = received;
  for (;;) {
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) return data;
    const head = data.toString('latin1', 0, end);
    const bodyBytes = Number(LENGTH.exec(head)?.[1] ?? 0);
    const next = end + 4 + bodyBytes;
    if (data.length < next) return data;
    answer(socket, head, bodyBytes);
    data = data.subarray(next);
  }
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer | undefined;
  socket.on('data', (chunk: Buffer) => {
    const left = consume(socket, rest === undefined ? chunk : Buffer.concat([rest, chunk]));
    rest = left.length > 0 ? left : undefined;
  });
  socket.on('error', () => socket.destroy());
});

function report(withArrivals: boolean): SinkReport {
  const cpu = process.cpuUsage(cpuAtReset);
  return {
    cpuMs: (cpu.user + cpu.system) / 1000,
    distinct: arrivals.size,
    duplicates,
    malformed,
    dead,
    hanging,
    arrivals: withArrivals ? [...arrivals] : [],
  };
}

process.on('message', (command: SinkCommand) => {
  if (command.do === 'report') return reply({ report: report(command.withArrivals) });
  marks = command.marks;
  arrivals = new Map();
  duplicates = malformed = dead = hanging = 0;
  cpuAtReset = process.cpuUsage();
  reply({ reset: true });
});
process.on('disconnect', () => process.exit());

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address();
  reply({ port: typeof address === 'object' && address !== null ? address.port : 0 });
});
