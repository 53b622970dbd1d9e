import type { Clock } from '../clock.ts';

/** How much of a body is read, and for how long. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Why there is no body. `broken`: it ended early, or is none. */
export type BodyFault = 'too-large' | 'too-slow' | 'broken';

/** Reads a body to its end, whatever its `content-length` says; one that says too much is not begun. No body is an empty one. */
export async function readBody(request: Request, limits: BodyLimits): Promise<Uint8Array | BodyFault> {
  if (Number(request.headers.get('content-length')) > limits.maxBytes) return 'too-large';
  if (request.body === null) return new Uint8Array();
  const reader: BodyReader = request.body.getReader();
  let isLate = false;
  const done = limits.clock.schedule(limits.timeoutMs, () => {
    isLate = true;
    giveUp(reader);
  });
  try {
    const bytes = await readAll(reader, limits.maxBytes);
    return isLate ? 'too-slow' : bytes;
  } finally {
    done();
  }
}

type BodyReader = Pick<ReadableStreamDefaultReader<unknown>, 'read' | 'cancel'>;

async function readAll(reader: BodyReader, maxBytes: number): Promise<Uint8Array | BodyFault> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (!(next.value instanceof Uint8Array)) return 'broken';
      length += next.value.byteLength;
      if (length > maxBytes) {
        giveUp(reader);
        return 'too-large';
      }
      chunks.push(next.value);
    }
  } catch {
    return 'broken';
  }
  return Buffer.concat(chunks, length);
}

/** A read that is waiting ends at once; whether the source heard of it changes nothing. */
function giveUp(reader: BodyReader): void {
  reader.cancel().catch(() => {});
}
