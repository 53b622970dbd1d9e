import {
  isIP,
  type LookupFunction,
  connect as netConnect,
  type Socket,
  type TcpNetConnectOpts,
} from 'node:net';
import { type SecureContext, connect as tlsConnect } from 'node:tls';
import type { buildConnector } from 'undici';
import type { Clock } from '../clock.ts';
import { canonicalAddress } from './address.ts';
import { blocked } from './resolve.ts';
import { TransportError } from './transport.ts';
import { type Phase, transportError } from './transport-errors.ts';

/** Where a connection goes and under which rules. One per origin, shared by its connections. */
export interface DialTarget {
  /** The URL's host name, or an IP literal without brackets: what the certificate must be for. */
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  /** The checked addresses; asked anew for every connection. */
  readonly addresses: () => Promise<readonly string[]>;
  /** The longest a connection may take to be ready, TLS included. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly secureContext: () => SecureContext;
  /** The newest TLS session of this origin: resuming it saves most of a handshake. */
  session: Buffer | undefined;
  /** Opens a TCP connection; for tests. Default: `net.connect`. */
  readonly openSocket?: (options: TcpNetConnectOpts) => Socket;
}

const KEEP_ALIVE_PROBE_MS = 60_000;

/** How long one address is tried before the next is tried beside it: an eighth of the time, within these bounds. */
const MIN_ATTEMPT_MS = 250;
const MAX_ATTEMPT_MS = 1000;

/**
 * Makes the connections of one undici client, one at a time: look up, check, dial the very addresses that were checked, see that the
 * socket ended up at one of them before a byte is written, then TLS by the URL's host name. Can be cancelled in every step.
 */
export class Dialler {
  readonly #target: DialTarget;
  #callback: buildConnector.Callback | undefined;
  #socket: Socket | undefined;
  #phase: Phase = 'connect';
  #stopTimer: (() => void) | undefined;

  constructor(target: DialTarget) {
    this.#target = target;
  }

  /** undici's connector. What it passes as options is known from the target. */
  readonly connect: buildConnector.connector = (_options, callback) => {
    const { addresses, clock, timeoutMs } = this.#target;
    this.#callback = callback;
    this.#phase = 'connect';
    this.#stopTimer = clock.schedule(timeoutMs, () =>
      this.#fail(callback, new TransportError('timeout', 'the connection timed out')),
    );
    addresses().then(
      (checked) => this.#dial(callback, checked),
      (error: unknown) => this.#fail(callback, error),
    );
  };

  /** Ends the attempt under way, if there is one. A connection that is ready is no longer its business. */
  cancel(): void {
    if (this.#callback !== undefined)
      this.#fail(this.#callback, new TransportError('aborted', 'ended before the answer'));
  }

  #dial(callback: buildConnector.Callback, checked: readonly string[]): void {
    if (this.#callback !== callback) return;
    const { hostname, openSocket = netConnect, port, timeoutMs } = this.#target;
    const socket = openSocket({
      host: isIP(hostname) === 0 ? hostname : (checked[0] ?? hostname),
      port,
      lookup: fixedLookup(checked),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: Math.max(MIN_ATTEMPT_MS, Math.min(MAX_ATTEMPT_MS, timeoutMs / 8)),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    });
    this.#watch(callback, socket);
    socket.once('connect', () => this.#connected(callback, socket, checked));
  }

  #connected(callback: buildConnector.Callback, socket: Socket, checked: readonly string[]): void {
    if (this.#callback !== callback) return;
    const peer = canonicalAddress(socket.remoteAddress ?? '');
    if (peer === undefined)
      this.#fail(callback, new TransportError('reset', 'the connection was closed before the answer'));
    else if (!checked.includes(peer)) this.#fail(callback, blocked());
    else if (this.#target.secure) this.#secure(callback, socket);
    else this.#succeed(callback, socket);
  }

  #secure(callback: buildConnector.Callback, raw: Socket): void {
    const target = this.#target;
    this.#phase = 'handshake';
    const socket = tlsConnect({
      socket: raw,
      host: target.hostname,
      servername: isIP(target.hostname) === 0 ? target.hostname : '',
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
      secureContext: target.secureContext(),
      ...(target.session === undefined ? {} : { session: target.session }),
    });
    socket.on('session', (session) => {
      target.session = session;
    });
    this.#watch(callback, socket);
    socket.once('secureConnect', () => this.#succeed(callback, socket));
  }

  /** The listeners stay: after success they do nothing, and undici's own take over. */
  #watch(callback: buildConnector.Callback, socket: Socket): void {
    this.#socket = socket;
    socket.on('error', (error) => this.#fail(callback, error));
    socket.on('close', () =>
      this.#fail(callback, new TransportError('reset', 'the connection was closed before the answer')),
    );
  }

  #succeed(callback: buildConnector.Callback, socket: Socket): void {
    if (this.#settle(callback)) callback(null, socket);
  }

  #fail(callback: buildConnector.Callback, error: unknown): void {
    const socket = this.#socket;
    if (!this.#settle(callback)) return;
    socket?.destroy();
    callback(transportError(error, this.#phase), null);
  }

  /** True once per attempt; an older attempt's late news do not touch a newer one. */
  #settle(callback: buildConnector.Callback): boolean {
    if (this.#callback !== callback) return false;
    this.#callback = undefined;
    this.#socket = undefined;
    this.#stopTimer?.();
    return true;
  }
}

/** Node asks this instead of the DNS, for names only; literals are dialled as they are. */
function fixedLookup(checked: readonly string[]): LookupFunction {
  const all = checked.map((address) => ({ address, family: isIP(address) }));
  return (_hostname, options, callback) => {
    const [first] = all;
    if (options.all === true || first === undefined) callback(null, all);
    else callback(null, first.address, first.family);
  };
}
