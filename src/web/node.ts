import { failure } from './answers.ts';

/** What a handler may know of a request beyond the `Request`. */
export interface RequestContext {
  /** The address of the peer: that of the last proxy where there is one. */
  readonly remoteAddress?: string;
}

/** A handler of Web-standard requests, such as `inspectionHandler` and `ingressHandler` make. */
export type WebHandler = (request: Request, context?: RequestContext) => Promise<Response>;

/** Of the requests of `node:http`, Express and Fastify (`request.raw`), what is used. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** Express: the path before a mount was taken off. */
  readonly originalUrl?: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string | undefined; readonly encrypted?: boolean };
  readonly httpVersionMajor: number;
  readonly readableDidRead: boolean;
  readonly readableEnded: boolean;
  /** What a parser of bodies has made of it. */
  readonly body?: unknown;
  on(event: 'data' | 'end' | 'close', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** Of their responses, what is used. */
export interface NodeResponse {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
  write(chunk: Uint8Array): boolean;
  end(): unknown;
  destroy(): unknown;
  once(event: 'close' | 'drain', listener: () => void): unknown;
}

/**
 * Makes a handler fit for `http.createServer`, for Express (`app.use(path, …)`) and for the raw requests of Fastify. The URL is made of the
 * whole path, whatever a mount took off, and of the `host` header, which is used for nothing else. Bodies are streamed: mount it before parsers of
 * bodies (one that keeps the bytes, such as `express.raw`, may come first). The request's signal aborts when the client goes. Never throws or rejects.
 */
export function toNodeHandler(handler: WebHandler): (request: NodeRequest, response: NodeResponse) => void {
  return (request, response) => {
    serve(handler, request, response).catch(() => response.destroy());
  };
}

async function serve(handler: WebHandler, request: NodeRequest, response: NodeResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  const answer = await answerOf(handler, request, gone.signal);
  if (response.destroyed) return;
  response.writeHead(answer.status, headersOf(answer, request));
  if (request.method !== 'HEAD') await pour(answer, response);
  response.end();
  // What is left of the body is let go, so that the answer gets through to a client that is still sending.
  request.resume();
}

async function answerOf(handler: WebHandler, node: NodeRequest, signal: AbortSignal): Promise<Response> {
  let request: Request;
  try {
    request = toRequest(node, signal);
  } catch (thrown) {
    if (thrown instanceof BodyGone) return failure(500, { code: 'internal', message: thrown.message });
    return failure(400, { code: 'invalid-input', message: 'The request cannot be read' });
  }
  const { remoteAddress } = node.socket;
  try {
    return await handler(request, remoteAddress === undefined ? {} : { remoteAddress });
  } catch {
    return failure(500, { code: 'internal', message: 'Internal error' });
  }
}

function toRequest(node: NodeRequest, signal: AbortSignal): Request {
  const { method = 'GET' } = node;
  const body = method === 'GET' || method === 'HEAD' ? null : bodyOf(node);
  const headers = new Headers();
  for (const [name, value = []] of Object.entries(node.headers)) {
    // Pseudo-headers of HTTP/2 are none.
    if (name.startsWith(':')) continue;
    for (const one of [value].flat()) headers.append(name, one);
  }
  return new Request(urlOf(node), {
    method,
    headers,
    signal,
    ...(body !== null && { body, duplex: 'half' }),
  });
}

/** Only a host and a port: anything else could move the path. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

function urlOf({ headers, socket, originalUrl, url = '/' }: NodeRequest): string {
  const host = [headers[':authority'] ?? headers.host].flat()[0] ?? '';
  const origin = `${socket.encrypted ? 'https' : 'http'}://${HOST.test(host) ? host : 'localhost'}`;
  const target = originalUrl ?? url;
  if (target.startsWith('/')) return origin + target;
  // As sent to a proxy; `*` has no path.
  const { pathname, search } = URL.parse(target) ?? { pathname: '/', search: '' };
  return origin + pathname + search;
}

class BodyGone extends Error {}

function bodyOf(node: NodeRequest): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null {
  if (!mayHaveBody(node)) return null;
  if (!node.readableDidRead) return streamOf(node);
  if (node.body instanceof Uint8Array) return new Uint8Array(node.body);
  throw new BodyGone('The body was parsed before: mount this handler before parsers of bodies');
}

function mayHaveBody({ headers, httpVersionMajor }: NodeRequest): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers;
  return httpVersionMajor > 1 || coding !== undefined || length !== '0';
}

/** Not by iterating: to end that early would destroy the socket, and with it the answer. */
function streamOf(node: NodeRequest): ReadableStream<Uint8Array> {
  let isOver = false;
  const once = (end: () => void): void => {
    if (!isOver) end();
    isOver = true;
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      node.on('data', (chunk) => {
        if (isOver) return;
        controller.enqueue(chunk);
        if ((controller.desiredSize ?? 0) <= 0) node.pause();
      });
      node.on('end', () => once(() => controller.close()));
      node.on('error', (error) => once(() => controller.error(error)));
      node.on('close', () => once(() => controller.error(new Error('The client went away'))));
      node.pause();
    },
    pull: () => void node.resume(),
    cancel: () => once(() => node.pause()),
  });
}

/** A connection whose request is still coming in is of no use for another. */
function headersOf(answer: Response, node: NodeRequest): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = Object.fromEntries(answer.headers);
  const cookies = answer.headers.getSetCookie();
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  if (node.httpVersionMajor === 1 && mayHaveBody(node) && !node.readableEnded) headers.connection = 'close';
  return headers;
}

async function pour({ body }: Response, response: NodeResponse): Promise<void> {
  if (body === null) return;
  const reader = body.getReader();
  const closed = new Promise<void>((close) => response.once('close', close));
  void closed.then(() => reader.cancel()).catch(() => {});
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    if (response.write(next.value) || response.destroyed) continue;
    await Promise.race([closed, new Promise<void>((drain) => response.once('drain', drain))]);
  }
}
