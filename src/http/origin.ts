import Client from 'undici/lib/dispatcher/client.js';
import { AnswerHeaders } from './answer-headers.ts';
import { Dialler, type DialTarget } from './connector.ts';
import { Exchange, type ExchangeEnd } from './exchange.ts';
import type { TransportRequest, TransportResponse } from './transport.ts';

/** Servers commonly drop idle connections after 5 s; a request must not meet that moment. */
const KEEP_ALIVE_MS = 4000;

/** A server's own `Keep-Alive: timeout` is believed up to here, less the margin. */
const KEEP_ALIVE_MAX_MS = 60_000;
const KEEP_ALIVE_MARGIN_MS = 1000;

const MAX_HEADER_BYTES = 16 * 1024;

/** One client of undici: one socket at a time, one request at a time. */
class Connection implements ExchangeEnd {
  readonly client: Client;
  readonly dialler: Dialler;
  /** The request under way. */
  exchange: Exchange | undefined = undefined;
  /** When it was last given back, ms of the clock. */
  freeSince = 0;
  readonly #released: (connection: Connection, clean: boolean) => void;

  constructor(
    { client, dialler }: Pick<Connection, 'client' | 'dialler'>,
    released: (connection: Connection, clean: boolean) => void,
  ) {
    this.client = client;
    this.dialler = dialler;
    this.#released = released;
  }

  ended(clean: boolean): void {
    this.exchange = undefined;
    this.#released(this, clean);
  }

  /** Closes the socket, or gives up the one in the making. */
  destroy(): Promise<void> {
    const done = this.client.destroy();
    this.dialler.cancel();
    return done;
  }
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
  /** The free ones and those that serve a request. */
  readonly #all = new Set<Connection>();
  readonly #answerHeaders = new AnswerHeaders();
  #isDropped = false;

  constructor(url: string, target: DialTarget) {
    this.#url = url;
    this.#target = target;
  }

  /** Nothing was left of it when it was last looked at: its owner has let go of it. */
  get isDropped(): boolean {
    return this.#isDropped;
  }

  send(request: TransportRequest, path: string): Promise<TransportResponse> {
    const connection = this.#free.pop() ?? this.#connect();
    const exchange = new Exchange(request.maxResponseBytes, this.#answerHeaders, connection);
    connection.exchange = exchange;
    request.onAbort(() => exchange.abort());
    if (!exchange.settled) {
      const { method, body } = request;
      try {
        connection.client.dispatch({ path, method, headers: flatHeaders(request.headers), body }, exchange);
      } catch (error) {
        exchange.fail(error);
      }
    }
    return exchange.answer;
  }

  /** Drops connections that were given back before `limit` (ms of the clock). True when nothing is left. */
  dropIdle(limit: number): boolean {
    const kept = this.#free.findIndex((connection) => connection.freeSince > limit);
    const dropped = this.#free.splice(0, kept < 0 ? this.#free.length : kept);
    for (const connection of dropped) this.#destroy(connection);
    this.#isDropped = this.#all.size === 0;
    return this.#isDropped;
  }

  /** Ends everything. Answers that have begun are given as far as they came. */
  async close(): Promise<void> {
    const all = [...this.#all];
    this.#free.length = 0;
    for (const connection of all) connection.exchange?.abort();
    await Promise.all(all.map((connection) => connection.destroy()));
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
    const connection = new Connection({ client, dialler }, this.#released);
    this.#all.add(connection);
    return connection;
  }

  readonly #released = (connection: Connection, clean: boolean): void => {
    if (!clean) {
      this.#destroy(connection);
      return;
    }
    connection.freeSince = this.#target.clock.now();
    this.#free.push(connection);
  };

  #destroy(connection: Connection): void {
    this.#all.delete(connection);
    void connection.destroy();
  }
}

/** undici's flat form, which it need not take apart. A compressed answer could be a bomb, so none is asked for. */
function flatHeaders(headers: Readonly<Record<string, string>>): string[] {
  const flat: string[] = [];
  for (const name of Object.keys(headers)) flat.push(name, headers[name] ?? '');
  flat.push('accept-encoding', 'identity');
  return flat;
}
