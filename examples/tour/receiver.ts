import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

/** How a receiver fails. */
export interface Trouble {
  /** So many requests are answered with 503 before it recovers. */
  readonly failures?: number;
  /** Every connection is dropped, until `repair()`. */
  readonly isDown?: boolean;
}

/** What your customer runs: an HTTP server that trusts a request only after its signature was verified. */
export class Receiver {
  /** How often each event was accepted, by `webhook-id`. */
  readonly accepted: Map<string, number> = new Map();
  /** Requests turned away with 503. */
  turnedAway = 0;
  /** Requests whose signature was wrong. There should be none. */
  forged = 0;
  /** From `webhooks.create`: the only time it is shown. */
  secret = '';
  #failures: number;
  #isDown: boolean;
  readonly #server = createServer((request, response) => void this.#receive(request, response));

  private constructor({ failures = 0, isDown = false }: Trouble) {
    this.#failures = failures;
    this.#isDown = isDown;
    this.#server.on('connection', (socket) => {
      if (this.#isDown) socket.resetAndDestroy();
    });
  }

  /** Listens at a free port of this machine. */
  static async start(trouble: Trouble = {}): Promise<Receiver> {
    const receiver = new Receiver(trouble);
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/webhooks`;
  }

  repair(): void {
    this.#isDown = false;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await request.toArray()).toString();
    if (!this.#isGenuine(body, request)) {
      this.forged += 1;
      response.writeHead(401).end();
    } else if (this.#failures > 0) {
      this.#failures -= 1;
      this.turnedAway += 1;
      response.writeHead(503).end('try again later');
    } else {
      // The id is the same in every attempt: by it a receiver knows what it has seen before.
      const id = String(request.headers['webhook-id']);
      this.accepted.set(id, (this.accepted.get(id) ?? 0) + 1);
      response.writeHead(204).end();
    }
  }

  /** The raw body has to be verified, not what was parsed of it. */
  #isGenuine(body: string, { headers }: IncomingMessage): boolean {
    try {
      new Webhook(this.secret).verify(body, headers as Record<string, string>);
      return true;
    } catch {
      return false;
    }
  }
}
