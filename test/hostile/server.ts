import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** A server on loopback that behaves badly, and what it has seen. */
export interface HostileServer {
  readonly url: string;
  /** TCP connections accepted so far. */
  accepted(): number;
  /** TCP connections open now. */
  open(): number;
  /** Whole requests read so far, heads and bodies. */
  requests(): readonly string[];
  close(): Promise<void>;
}

/** What to do with a connection. */
export interface Script {
  /** When TCP (and TLS) is ready, before any request. */
  readonly onConnection?: (socket: Socket) => void;
  /** For every whole request. */
  readonly onRequest?: (socket: Socket, request: string) => void;
  /** Name of a certificate in fixtures: the server speaks TLS. */
  readonly certificate?: 'good' | 'expired' | 'self-signed' | 'wrong-host';
  readonly tls?: TlsOptions;
  /** What the URL starts with; default `http`, or `https` with a certificate. */
  readonly scheme?: 'http' | 'https';
  readonly host?: string;
}

/** A name in the certificates, which `hostileResolve` knows. */
export const TLS_HOST = 'hooks.surehook.test';

/** A text or PEM of the fixtures. */
export function fixture(name: string): string {
  return readFileSync(new URL(`./fixtures/${name}.pem`, import.meta.url), 'utf8');
}

/** Starts a server. It ends all it has begun when it is closed; a socket that is gone ends its own writing. */
export async function startServer(script: Script): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  const requests: string[] = [];
  let accepted = 0;
  const serve = (socket: Socket): void => {
    socket.on('error', () => {});
    script.onConnection?.(socket);
    const { onRequest } = script;
    if (onRequest !== undefined) {
      readRequests(socket, (request) => {
        requests.push(request);
        onRequest(socket, request);
      });
    } else if (!socket.isPaused()) {
      // Nobody listens; but a socket that is not read does not notice its end.
      socket.resume();
    }
  };
  const server = serverFor(script, serve);
  server.on('connection', (socket: Socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: urlOf(script, server),
    accepted: () => accepted,
    open: () => sockets.size,
    requests: () => requests,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function serverFor(script: Script, serve: (socket: Socket) => void): Server {
  if (script.certificate === undefined) return createServer(serve);
  const pem = fixture(script.certificate);
  const server = createTlsServer({ cert: pem, key: pem, ...script.tls }, serve);
  server.on('tlsClientError', () => {});
  return server;
}

function urlOf(script: Script, server: Server): string {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const scheme = script.scheme ?? (script.certificate === undefined ? 'http' : 'https');
  const host = script.host ?? (scheme === 'https' ? TLS_HOST : '127.0.0.1');
  return `${scheme}://${host}:${port}/hook`;
}

function readRequests(socket: Socket, onRequest: (request: string) => void): void {
  let pending = '';
  socket.on('data', (chunk: Buffer) => {
    pending += chunk.toString('latin1');
    for (let end = endOfRequest(pending); end !== undefined; end = endOfRequest(pending)) {
      const request = pending.slice(0, end);
      pending = pending.slice(end);
      onRequest(request);
    }
  });
}

function endOfRequest(text: string): number | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, head + 2))?.[1] ?? 0);
  const end = head + 4 + length;
  return text.length >= end ? end : undefined;
}

/** Writes `chunk` again and again, as fast as it is taken, until the socket is gone. */
export function pour(socket: Socket, chunk: Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
}

/** Writes a byte each `everyMs` until the text is out or the socket is gone. */
export function drip(socket: Socket, text: string, everyMs = 20): void {
  let at = 0;
  const timer = setInterval(() => {
    if (at >= text.length || socket.destroyed) clearInterval(timer);
    else socket.write(text[at++] ?? '');
  }, everyMs);
  socket.on('close', () => clearInterval(timer));
}
