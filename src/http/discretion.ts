import type { WebhookRecord } from '../domain/webhook.ts';
import { credentialsIn, maskParts, secretParts, tokensIn } from './redact.ts';

/** Of what was thrown so much is looked through: errors of drivers can hold whole connections. */
const DEEPEST = 6;
const MOST = 1_000;

/** Makes a call that is given a webhook with its secrets. What it rejects with is passed on; where it holds one of them, as a copy that does not. */
export async function discreetly<T>(webhook: WebhookRecord, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    const secrets = webhook.secrets.map(({ secret }) => secret);
    const credentials = credentialsIn(webhook.headers ?? {});
    throw new Copy(secretParts([...secrets, ...credentials, ...tokensIn(webhook.url)])).of(thrown);
  }
}

/** Copies what was thrown, without secrets. Errors keep their class, other objects their fields. */
class Copy {
  readonly #parts: readonly string[];
  #objects = 0;
  #isMasked = false;

  constructor(parts: readonly string[]) {
    this.#parts = parts;
  }

  of(thrown: unknown): unknown {
    try {
      const copy = this.#value(thrown, 0);
      return this.#isMasked ? copy : thrown;
    } catch {
      return new Error('the repo threw what cannot be looked through');
    }
  }

  #value(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.#text(value);
    if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value;
    this.#objects += 1;
    if (depth > DEEPEST || this.#objects > MOST || ArrayBuffer.isView(value)) return undefined;
    if (Array.isArray(value)) return value.map((element) => this.#value(element, depth + 1));
    return value instanceof Error ? this.#error(value, depth) : this.#fields(value, {}, depth);
  }

  #error(error: Error, depth: number): Error {
    const copy = new Error(this.#text(String(error.message)));
    Object.setPrototypeOf(copy, Object.getPrototypeOf(error));
    copy.stack = this.#text(String(error.stack));
    return this.#fields(error, copy, depth);
  }

  #fields<T extends object>(from: object, to: T, depth: number): T {
    for (const [name, { value, enumerable }] of Object.entries(Object.getOwnPropertyDescriptors(from))) {
      // Code of the value's is not run; the text of an error is there already.
      if (value === undefined || Object.hasOwn(to, name)) continue;
      const copied = this.#value(value, depth + 1);
      const isShown = enumerable === true;
      Object.defineProperty(to, name, {
        value: copied,
        enumerable: isShown,
        writable: true,
        configurable: true,
      });
    }
    return to;
  }

  #text(text: string): string {
    const masked = maskParts(text, this.#parts);
    if (masked !== text) this.#isMasked = true;
    return masked;
  }
}
