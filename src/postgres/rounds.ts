/** An item and its place in the batch it came with. */
export interface Placed<T> {
  readonly item: T;
  readonly index: number;
}

/**
 * Splits a batch into rounds in which no key comes twice, because one statement changes a row once; items of one key keep
 * their order. Within a round items are in the order of their keys, so that two batches lock common rows in the same order.
 */
export function roundsOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
): readonly (readonly Placed<T>[])[] {
  const seen = new Map<string, number>();
  const rounds: Placed<T>[][] = [];
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    const round = seen.get(key) ?? 0;
    seen.set(key, round + 1);
    const placed = rounds[round];
    if (placed === undefined) rounds.push([{ item, index }]);
    else placed.push({ item, index });
  }
  for (const round of rounds) round.sort((a, b) => compare(keyOf(a.item), keyOf(b.item)));
  return rounds;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
