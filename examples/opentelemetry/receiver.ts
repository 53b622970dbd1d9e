import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';

/** What your customer runs: it continues the trace that a request comes with. It verifies no signature, to be short. */
export class Receiver {
  #failures: number;
  readonly #server = createServer((request, response) => this.#receive(request, response));

  private constructor(failures: number) {
    this.#failures = failures;
  }

  /** Listens at a free port of this machine; the first requests fail. */
  static async start({ failures }: { readonly failures: number }): Promise<Receiver> {
    const receiver = new Receiver(failures);
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/webhooks`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const parent = propagation.extract(ROOT_CONTEXT, request.headers);
    const span = trace.getTracer('receiver').startSpan('receive', { kind: SpanKind.SERVER }, parent);
    const status = this.#failures > 0 ? 503 : 204;
    this.#failures -= 1;
    span.setAttribute('http.response.status_code', status).end();
    request.resume();
    response.writeHead(status).end();
  }
}
