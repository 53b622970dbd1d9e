import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { lotOf, TOKEN_HEADER, WORKER_HEADER } from './protocol.ts';

/** One request that came in. */
export interface Receipt {
  readonly event: string;
  readonly path: string;
  readonly token: number;
  readonly worker: string;
  /** Epoch ms. */
  readonly at: number;
  /** Whether the body is the one that was published. */
  readonly isWhole: boolean;
  /** What was answered, once it was. */
  answer?: { readonly status: number; readonly at: number };
}

/** What an endpoint does with a receipt. `null`: it never answers. */
export type Behaviour = (receipt: {
  readonly earlier: number;
  readonly lot: number;
  readonly at: number;
}) => {
  readonly status: number;
  readonly afterMs: number;
} | null;

/** An endpoint and what its webhook wants. */
export interface Endpoint {
  readonly path: string;
  /** The pattern of what its webhook is subscribed to. @default everything */
  readonly events?: string;
  readonly semantics: 'at-least-once' | 'at-most-once';
  readonly behave: Behaviour;
}

const well = { status: 200, afterMs: 0 };

/** Good ones and bad ones; every one of them takes everything in the end. */
export const endpoints: readonly Endpoint[] = [
  { path: '/quick', semantics: 'at-least-once', behave: () => well },
  { path: '/other', semantics: 'at-least-once', behave: () => well },
  {
    path: '/fails-first',
    semantics: 'at-least-once',
    behave: ({ earlier, lot }) => (lot % 12 < 2 && earlier <= lot % 2 ? { status: 500, afterMs: 0 } : well),
  },
  {
    path: '/slow',
    semantics: 'at-least-once',
    behave: ({ lot }) => ({ status: 200, afterMs: 20 + (lot % 100) }),
  },
  {
    // So long that a worker which slept through its lease wakes up while another's request is under way.
    path: '/long',
    events: 'kill.long',
    semantics: 'at-least-once',
    behave: ({ lot }) => ({ status: 200, afterMs: 700 + (lot % 200) }),
  },
  {
    path: '/rests',
    semantics: 'at-least-once',
    behave: ({ at }) => (at % 4_000 < 1_200 ? { status: 503, afterMs: 0 } : well),
  },
  {
    path: '/mute',
    semantics: 'at-least-once',
    behave: ({ earlier, lot }) => (earlier === 0 && lot % 40 === 0 ? null : well),
  },
  { path: '/once', semantics: 'at-most-once', behave: ({ lot }) => ({ status: 200, afterMs: lot % 40 }) },
  {
    path: '/once-or-never',
    semantics: 'at-most-once',
    behave: ({ lot }) => (lot % 10 === 0 ? { status: 500, afterMs: 0 } : { status: 200, afterMs: 20 }),
  },
];

/** The endpoints of all webhooks, on the loopback. */
export class Receiver implements AsyncDisposable {
  readonly receipts: Receipt[] = [];
  readonly #earlier = new Map<string, number>();
  readonly #server = createServer((request, response) => this.#receive(request, response));
  #origin = '';

  static async open(): Promise<Receiver> {
    const receiver = new Receiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    const address = receiver.#server.address();
    if (typeof address === 'object' && address !== null)
      receiver.#origin = `http://127.0.0.1:${address.port}`;
    return receiver;
  }

  url(endpoint: Endpoint): string {
    return this.#origin + endpoint.path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => this.#received(request, response, Buffer.concat(chunks)));
  }

  #received({ url = '', headers }: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const event = String(headers['webhook-id']);
    const endpoint = endpoints.find(({ path }) => path === url);
    if (endpoint === undefined) throw new Error(`Nobody was registered for ${url}`);
    const receipt: Receipt = {
      event,
      path: url,
      token: Number(headers[TOKEN_HEADER]),
      worker: String(headers[WORKER_HEADER]),
      at: Date.now(),
      isWhole: holds(body, event),
    };
    this.receipts.push(receipt);
    const key = `${event} ${url}`;
    const earlier = this.#earlier.get(key) ?? 0;
    this.#earlier.set(key, earlier + 1);
    const answer = endpoint.behave({ earlier, lot: lotOf(key), at: receipt.at });
    if (answer === null) return;
    const reply = (): void => {
      receipt.answer = { status: answer.status, at: Date.now() };
      // Tells whose answer it is that is stored in the end.
      response.writeHead(answer.status).end(String(receipt.token));
    };
    if (answer.afterMs === 0) reply();
    else setTimeout(reply, answer.afterMs);
  }
}

function holds(body: Buffer, event: string): boolean {
  try {
    return JSON.parse(body.toString()).data.id === event;
  } catch {
    return false;
  }
}
