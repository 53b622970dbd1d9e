/** An item and its place in the batch it came with. */
export interface Placed<T> {
  readonly item: T;
  readonly index: number;
}

/**
 * Splits a batch into rounds in which no key comes twice, because one statement changes a row once; items of one key keep
 * their order. Within a round items are in the order of their keys, so that two batches lock common rows in the same order. An item may have more keys than
 * that one.
 */
export function roundsOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  othersOf?: (item: T) => readonly string[],
): readonly (readonly Placed<T>[])[] {
  const seen = new Map<string, number>();
  const rounds: Placed<T>[][] = [];
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    const others = othersOf?.(item) ?? NONE;
    const round = others.reduce((most, other) => Math.max(most, seen.get(other) ?? 0), seen.get(key) ?? 0);
    seen.set(key, round + 1);
    for (const other of others) seen.set(other, round + 1);
    const placed = rounds[round];
    if (placed === undefined) rounds.push([{ item, index }]);
    else placed.push({ item, index });
  }
  for (const round of rounds) round.sort((a, b) => compare(keyOf(a.item), keyOf(b.item)));
  return rounds;
}

const NONE: readonly string[] = [];

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
