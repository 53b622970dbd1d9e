/** The work of every scenario: events of exactly 1 KiB on the wire, for 100 endpoints. */

export const ENDPOINTS = 100;
const BODY_BYTES = 1024;
const TIMESTAMP = '2025-01-01T00:00:00.000Z';
const WORDS = 'alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november'.split(
  ' ',
);

export interface BenchEvent {
  readonly endpoint: number;
  readonly type: string;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The event type that endpoint `n`, and no other, is subscribed to. */
export function typeOf(endpoint: number): string {
  return `bench.e${String(endpoint).padStart(2, '0')}`;
}

/** Event `i` of the work, spread over `endpoints` so that neighbours go to different ones. */
export function makeEvent(i: number, endpoints: number = ENDPOINTS): BenchEvent {
  return eventFor((i * 37) % endpoints, i);
}

/** An event for that endpoint; `i` varies its content. */
export function eventFor(endpoint: number, i: number): BenchEvent {
  const data = {
    id: `in_${i}`,
    customer: `cus_${(i * 7919) % 100_003}`,
    amount: (i * 31) % 99_991,
    currency: 'eur',
    lines: [0, 1, 2, 3].map((k) => ({
      sku: `sku-${(i + k) % 977}`,
      qty: (k + i) % 9,
      price: ((i + k) * 13) % 4999,
    })),
    note: '',
  };
  const event = { endpoint, type: typeOf(endpoint), timestamp: TIMESTAMP, data };
  data.note = prose(i).slice(0, BODY_BYTES - bodyOf(event).length);
  return event;
}

/** The body as it travels. */
export function bodyOf({ type, timestamp, data }: BenchEvent): string {
  return JSON.stringify({ type, timestamp, data });
}

/** About a kilobyte of words, the same for the same seed. */
function prose(seed: number): string {
  let text = '';
  let x = Math.imul(seed, 2_654_435_761) >>> 0;
  while (text.length < 900) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    text += `${WORDS[(x >>> 28) % WORDS.length]}${(x & 0xff).toString(16)} `;
  }
  return text;
}
