import { Digest } from './digest.ts';
import { BEGINNING, type Timeline } from './timeline.ts';

/** The record of one history: always its hash, and its text when somebody wants to read it. */
export class Trace {
  readonly digest: Digest = new Digest();
  /** Undefined unless it is to be read. */
  readonly lines: string[] | undefined;
  readonly #timeline: Timeline;

  constructor(timeline: Timeline, isRead: boolean) {
    this.#timeline = timeline;
    this.lines = isRead ? [] : undefined;
  }

  /** Something happened: `what` and everything about it go into the hash, and, shortened, into the text. */
  note(who: string, what: string, about?: unknown): void {
    this.digest.add(this.#timeline.now);
    this.digest.add(who);
    this.digest.add(what);
    this.digest.add(about);
    if (this.lines === undefined) return;
    const at = (this.#timeline.now - BEGINNING).toFixed(2).padStart(10);
    this.lines.push(`${at} ${who.padEnd(4)} ${what}${about === undefined ? '' : ` ${shown(about)}`}`);
  }
}

const LONGEST = 1_500;
/** Fields that say little for their length. */
const DULL: ReadonlySet<string> = new Set([
  'fingerprint',
  'responseHeaders',
  'headers',
  'secrets',
  'contentType',
  'tenantId',
]);

function shown(about: unknown): string {
  const text = JSON.stringify(about, (name, value: unknown) => {
    if (DULL.has(name)) return undefined;
    if (value instanceof Uint8Array) return `${value.length} bytes`;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    if (typeof value === 'number' && value > BEGINNING - 1e9 && value < BEGINNING + 1e10)
      return `+${value - BEGINNING}`;
    return value === Number.POSITIVE_INFINITY ? 'Infinity' : value;
  });
  if (text === undefined) return 'undefined';
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
