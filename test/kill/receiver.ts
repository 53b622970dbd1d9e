import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Endpoint, endpoints } from './endpoints.ts';
import { lotOf, TOKEN_HEADER, WORKER_HEADER } from './protocol.ts';

/** One request that came in. */
export interface Receipt {
  readonly token: number;
  readonly worker: string;
  /** Epoch ms. */
  readonly at: number;
  /** Whether the body is the one that was published. */
  readonly isWhole: boolean;
  /** What was answered, once it was. */
  answer?: { readonly status: number; readonly at: number };
}

/** What the receipts of one event at one path are kept under. */
export function receiptKey(event: string, path: string): string {
  return `${event} ${path}`;
}

/** The endpoints of all webhooks, on the loopback. */
export class Receiver {
  /** By `receiptKey`, in the order of arrival. */
  readonly receipts: Map<string, Receipt[]> = new Map();
  count = 0;
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

  async close(): Promise<void> {
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
      token: Number(headers[TOKEN_HEADER]),
      worker: String(headers[WORKER_HEADER]),
      at: Date.now(),
      isWhole: holds(body, event),
    };
    const key = receiptKey(event, url);
    const earlier = this.#keep(key, receipt);
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

  /** Returns how many there were before. */
  #keep(key: string, receipt: Receipt): number {
    this.count += 1;
    const kept = this.receipts.get(key);
    if (kept === undefined) this.receipts.set(key, [receipt]);
    else kept.push(receipt);
    return (kept?.length ?? 1) - 1;
  }
}

function holds(body: Buffer, event: string): boolean {
  try {
    return JSON.parse(body.toString()).data.id === event;
  } catch {
    return false;
  }
}
