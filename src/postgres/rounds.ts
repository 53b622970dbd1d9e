/** An item and its place in the batch it came with. */
export interface Placed<T> {
  readonly item: T;
  readonly index: number;
}

/**
 * Splits a batch into rounds in which no key comes twice, because one statement changes a row once; items of one key keep
 * their order. Within a round items are in the order of their first keys, so that two batches lock common rows in the same order.
 */
export function roundsOf<T>(
  items: readonly T[],
  keysOf: (item: T) => readonly string[],
): readonly (readonly Placed<T>[])[] {
  const seen = new Map<string, number>();
  const rounds: Placed<T>[][] = [];
  for (const [index, item] of items.entries()) {
    let round = 0;
    const keys = keysOf(item);
    for (const key of keys) round = Math.max(round, seen.get(key) ?? 0);
    for (const key of keys) seen.set(key, round + 1);
    const placed = rounds[round];
    if (placed === undefined) rounds[round] = [{ item, index }];
    else placed.push({ item, index });
  }
  for (const round of rounds) round.sort((a, b) => compare(firstOf(a), firstOf(b)));
  return rounds;

  function firstOf({ item }: Placed<T>): string {
    return keysOf(item)[0] ?? '';
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
