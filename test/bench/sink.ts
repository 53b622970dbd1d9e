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

/** What has come of a connection's requests: bodies are counted and not kept, because large ones would cost more to put together than to send. */
class Requests {
  readonly #socket: Socket;
  /** Of a head that has not come whole. */
  #rest: Buffer | undefined;
  /** The request whose body is coming. */
  #present: { readonly head: string; readonly bodyBytes: number } | undefined;
  #missing = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  take(chunk: Buffer): void {
    let data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    for (;;) {
      if (this.#present === undefined) {
        const end = data.indexOf('\r\n\r\n');
        if (end < 0) break;
        const head = data.toString('latin1', 0, end);
        this.#missing = Number(LENGTH.exec(head)?.[1] ?? 0);
        this.#present = { head, bodyBytes: this.#missing };
        data = data.subarray(end + 4);
      }
      const taken = Math.min(this.#missing, data.length);
      this.#missing -= taken;
      data = data.subarray(taken);
      if (this.#missing > 0) return;
      answer(this.#socket, this.#present.head, this.#present.bodyBytes);
      this.#present = undefined;
    }
    if (data.length > 0) this.#rest = data;
  }
}

const server = createServer({ noDelay: true }, (socket) => {
  const requests = new Requests(socket);
  socket.on('data', (chunk: Buffer) => requests.take(chunk));
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
