import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, systemClock } from '../clock.ts';
import { checkEndpointUrl, type EndpointPolicy, literalIn, portOf } from './endpoint.ts';
import { Origin } from './origin.ts';
import { blocked, checkedAddresses, dnsResolver, type Resolve } from './resolve.ts';
import {
  type Transport,
  TransportError,
  type TransportRequest,
  type TransportResponse,
} from './transport.ts';

/** How the real transport behaves. */
export interface HttpTransportOptions {
  readonly policy: EndpointPolicy;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** The longest that making a connection may take, for callers that set no deadline of their own. Default 15 000 ms. */
  readonly timeoutMs?: number;
  /** Replaces the DNS. Its answers are checked like those of the DNS. */
  readonly resolve?: Resolve;
  /** `ca`: trusted certificate authorities (PEM) in place of Node's own. */
  readonly tls?: { readonly ca?: string | readonly string[] };
}

const CONNECT_TIMEOUT_MS = 15_000;

/** Connections and origins that were not used for this long are dropped. */
const IDLE_MS = 60_000;

/** URLs whose verdict is remembered. */
const MAX_TARGETS = 4096;

/** A URL that passed the policy. */
interface Target {
  readonly origin: string;
  readonly path: string;
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  /** As of the last request. */
  open: Origin | undefined;
}

/**
 * The transport over undici's HTTP/1.1 client: connections are kept and reused per origin, every address is checked before it is dialled. Leaves the process's
 * `fetch` and global dispatcher alone. How many requests run at a time is the caller's to limit.
 */
export function httpTransport(options: HttpTransportOptions): Transport {
  return new HttpTransport(options);
}

class HttpTransport implements Transport {
  readonly #policy: EndpointPolicy;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #resolve: Resolve;
  readonly #closeResolver: () => void;
  readonly #secureContext: () => SecureContext;
  readonly #targets = new Map<string, Target>();
  readonly #origins = new Map<string, Origin>();
  #stopSweep: (() => void) | undefined;
  #closed = false;

  constructor(options: HttpTransportOptions) {
    this.#policy = options.policy;
    this.#clock = options.clock ?? systemClock;
    this.#timeoutMs = options.timeoutMs ?? CONNECT_TIMEOUT_MS;
    const dns = options.resolve === undefined ? dnsResolver() : { resolve: options.resolve, close: () => {} };
    this.#resolve = dns.resolve;
    this.#closeResolver = dns.close;
    this.#secureContext = once(() => secureContextFor(options.tls?.ca));
  }

  send(request: TransportRequest): Promise<TransportResponse> {
    if (this.#closed) return Promise.reject(new TransportError('aborted', 'the transport is closed'));
    const target = this.#targets.get(request.url) ?? this.#check(request.url);
    if (target === undefined) return Promise.reject(blocked());
    if (target.open?.isDropped !== false)
      target.open = this.#origins.get(target.origin) ?? this.#open(target);
    return target.open.send(request, target.path);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopSweep?.();
    this.#closeResolver();
    const origins = [...this.#origins.values()];
    this.#origins.clear();
    this.#targets.clear();
    await Promise.all(origins.map((origin) => origin.close()));
  }

  /** The policy may be stricter now than when the webhook was registered, and a host may keep webhooks by itself. */
  #check(url: string): Target | undefined {
    const target = targetOf(url, this.#policy);
    if (target === undefined) return undefined;
    if (this.#targets.size >= MAX_TARGETS) this.#targets.clear();
    this.#targets.set(url, target);
    return target;
  }

  #open(target: Target): Origin {
    const { hostname, port, secure } = target;
    const query = {
      hostname,
      allowPrivateAddresses: this.#policy.allowPrivateAddresses,
      resolve: this.#resolve,
    };
    const origin = new Origin(target.origin, {
      hostname,
      port,
      secure,
      addresses: () => checkedAddresses(query),
      timeoutMs: this.#timeoutMs,
      clock: this.#clock,
      secureContext: this.#secureContext,
      session: undefined,
    });
    this.#origins.set(target.origin, origin);
    this.#stopSweep ??= this.#clock.schedule(IDLE_MS / 2, () => this.#sweep());
    return origin;
  }

  #sweep(): void {
    const limit = this.#clock.now() - IDLE_MS;
    for (const [name, origin] of this.#origins) {
      if (origin.dropIdle(limit)) this.#origins.delete(name);
    }
    this.#stopSweep =
      this.#origins.size > 0 ? this.#clock.schedule(IDLE_MS / 2, () => this.#sweep()) : undefined;
  }
}

function targetOf(url: string, policy: EndpointPolicy): Target | undefined {
  try {
    const parsed = new URL(checkEndpointUrl(url, policy));
    return {
      origin: parsed.origin,
      path: parsed.pathname + parsed.search,
      hostname: literalIn(parsed.hostname) ?? parsed.hostname,
      port: portOf(parsed),
      secure: parsed.protocol === 'https:',
      open: undefined,
    };
  } catch {
    return undefined;
  }
}

/** One context for all connections: making one parses every certificate authority anew. */
function secureContextFor(ca: string | readonly string[] | undefined): SecureContext {
  if (ca === undefined) return createSecureContext();
  return createSecureContext({ ca: typeof ca === 'string' ? ca : [...ca] });
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
