/** A real HTTP server on the loopback interface whose endpoints are flaky, and which can be absent for a while. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One request that was received in whole. */
export interface Receipt {
  /** The `webhook-id`. */
  readonly id: string;
  readonly path: string;
  readonly data: number;
  /** What was answered, 0 while nothing was. */
  status: number;
}

/** How a request is answered: a status and after how long in ms, or never. */
export type Answer = { readonly status: number; readonly afterMs: number } | 'never';

export class FlakyServer {
  readonly receipts: Receipt[] = [];
  readonly #answer: (path: string) => Answer;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  constructor(answer: (path: string) => Answer) {
    this.#answer = answer;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.#port}${path}`;
  }

  /** Listens, always on the same port. */
  async up(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('error', () => {});
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: number };
        const path = request.url ?? '';
        const receipt: Receipt = { id: String(request.headers['webhook-id']), path, data, status: 0 };
        this.receipts.push(receipt);
        const answer = this.#answer(path);
        if (answer === 'never') return;
        setTimeout(() => {
          if (response.destroyed) return;
          receipt.status = answer.status;
          response.writeHead(answer.status).end();
        }, answer.afterMs);
      });
    });
    server.keepAliveTimeout = 30_000;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Nothing listens, and every connection is cut. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
