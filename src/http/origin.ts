import Client from 'undici/lib/dispatcher/client.js';
import { Dialler, type DialTarget } from './connector.ts';
import { Exchange } from './exchange.ts';
import type { TransportRequest, TransportResponse } from './transport.ts';

/** Servers commonly drop idle connections after 5 s; a request must not meet that moment. */
const KEEP_ALIVE_MS = 4000;

/** A server's own `Keep-Alive: timeout` is believed up to here, less the margin. */
const KEEP_ALIVE_MAX_MS = 60_000;
const KEEP_ALIVE_MARGIN_MS = 1000;

const MAX_HEADER_BYTES = 16 * 1024;

/** One client of undici: one socket at a time, one request at a time. */
interface Connection {
  readonly client: Client;
  readonly dialler: Dialler;
  /** When it was last given back, ms of the clock. */
  freeSince: number;
}

/**
 * The connections to one origin. A request has a connection to itself, so that ending the request can end the connection, in
 * whatever state it is; only one whose answer was read to its end serves again. The one used last is used first, so that a burst's surplus falls idle.
 *
 * undici's own `Pool` is not used: it opens further connections while one that has just answered is about to be free, it cannot give up a connection in the making,
 * and it searches its clients one after another.
 */
export class Origin {
  readonly #url: string;
  readonly #target: DialTarget;
  /** By `freeSince`, ascending. */
  readonly #free: Connection[] = [];
  readonly #running = new Map<Connection, Exchange>();

  constructor(url: string, target: DialTarget) {
    this.#url = url;
    this.#target = target;
  }

  send(request: TransportRequest, path: string): Promise<TransportResponse> {
    return new Promise((resolve, reject) => {
      const connection = this.#free.pop() ?? this.#connect();
      const exchange = new Exchange(request.maxResponseBytes, {
        resolve,
        reject,
        release: (clean) => this.#release(connection, clean),
      });
      this.#running.set(connection, exchange);
      request.onAbort(() => exchange.abort());
      if (exchange.settled) return;
      connection.client.dispatch(
        { path, method: request.method, headers: flatHeaders(request.headers), body: request.body },
        exchange,
      );
    });
  }

  /** Drops connections that were given back before `limit` (ms of the clock). True when nothing is left. */
  dropIdle(limit: number): boolean {
    const kept = this.#free.findIndex((connection) => connection.freeSince > limit);
    const dropped = this.#free.splice(0, kept < 0 ? this.#free.length : kept);
    for (const connection of dropped) void destroy(connection);
    return this.#free.length === 0 && this.#running.size === 0;
  }

  /** Ends everything. Answers that have begun are given as far as they came. */
  async close(): Promise<void> {
    const all = [...this.#free.splice(0), ...this.#running.keys()];
    for (const exchange of [...this.#running.values()]) exchange.abort();
    await Promise.all(all.map(destroy));
  }

  #connect(): Connection {
    const dialler = new Dialler(this.#target);
    const client = new Client(this.#url, {
      connect: dialler.connect,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      allowH2: false,
    });
    return { client, dialler, freeSince: 0 };
  }

  #release(connection: Connection, clean: boolean): void {
    this.#running.delete(connection);
    if (clean) {
      connection.freeSince = this.#target.clock.now();
      this.#free.push(connection);
    } else {
      void destroy(connection);
    }
  }
}

/** Closes the socket, or gives up the one in the making. */
function destroy(connection: Connection): Promise<void> {
  const done = connection.client.destroy();
  connection.dialler.cancel();
  return done;
}

/** undici's flat form, which it need not take apart. A compressed answer could be a bomb, so none is asked for. */
function flatHeaders(headers: Readonly<Record<string, string>>): string[] {
  const flat: string[] = [];
  for (const name of Object.keys(headers)) flat.push(name, headers[name] ?? '');
  flat.push('accept-encoding', 'identity');
  return flat;
}
