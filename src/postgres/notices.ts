import type { Work } from '../repos.ts';

/** What a notification tells: what came in, or which webhooks changed. */
export interface News {
  /** Who sent it: that process has told its own listeners already. Empty where it had to leave that to the notification. */
  readonly sender: string;
  readonly work?: Work;
  readonly webhooks?: readonly string[];
}

/** PostgreSQL refuses payloads of 8000 bytes and more. */
const LONGEST_IDS_BYTES = 7_000;
/** More ids than fit into so many notifications are left to the polls. */
const MOST_PAYLOADS = 20;

/** The payloads that tell of work. */
export function workPayloads(sender: string, { express, replays, ownQueues }: Work): readonly string[] {
  const [first = [], ...others] = chunksOf(ownQueues);
  return [
    JSON.stringify({ s: sender, x: express, r: replays, q: first }),
    ...others.map((q) => JSON.stringify({ s: sender, x: false, r: false, q })),
  ];
}

/** Reads a payload; undefined for one that is not of this library: anybody can notify on any channel. */
export function newsOf(payload: string): News | undefined {
  const { s, x, r, q, w } = objectOf(payload);
  if (typeof s !== 'string') return undefined;
  if (isStrings(w)) return { sender: s, webhooks: w };
  if (!isStrings(q)) return undefined;
  return { sender: s, work: { express: x === true, replays: r === true, ownQueues: q } };
}

function chunksOf(ids: readonly string[]): readonly (readonly string[])[] {
  const chunks: string[][] = [];
  let roomBytes = 0;
  for (const id of ids) {
    const bytes = Buffer.byteLength(JSON.stringify(id)) + 1;
    if (bytes > LONGEST_IDS_BYTES) continue;
    if (bytes > roomBytes) {
      if (chunks.length === MOST_PAYLOADS) break;
      chunks.push([]);
      roomBytes = LONGEST_IDS_BYTES;
    }
    chunks.at(-1)?.push(id);
    roomBytes -= bytes;
  }
  return chunks;
}

function objectOf(payload: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(payload);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
