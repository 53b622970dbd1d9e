/**
 * Who subscribed to which pattern: `invoice.paid` (exactly that type), `invoice.*` (every type below `invoice`), `*`
 * (all). A look-up visits one entry per dot of the type, whoever else subscribed to whatever else.
 */
export class Subscriptions<T> {
  readonly #byPattern = new Map<string, Set<T>>();

  /** Adds one subscriber under its patterns. */
  add(subscriber: T, patterns: readonly string[]): void {
    for (const pattern of patterns) {
      const known = this.#byPattern.get(pattern);
      if (known === undefined) this.#byPattern.set(pattern, new Set([subscriber]));
      else known.add(subscriber);
    }
  }

  /** Removes a subscriber that was added under these patterns. */
  remove(subscriber: T, patterns: readonly string[]): void {
    for (const pattern of patterns) {
      const known = this.#byPattern.get(pattern);
      known?.delete(subscriber);
      if (known?.size === 0) this.#byPattern.delete(pattern);
    }
  }

  /** Everybody whose patterns match the type, each once. */
  matching(type: string): T[] {
    const sets = [this.#byPattern.get('*'), this.#byPattern.get(type)];
    for (let dot = type.indexOf('.'); dot >= 0; dot = type.indexOf('.', dot + 1)) {
      sets.push(this.#byPattern.get(`${type.slice(0, dot)}.*`));
    }
    const found = sets.filter((set) => set !== undefined);
    const only = found[0];
    if (only === undefined) return [];
    if (found.length === 1) return [...only];
    return [...new Set(found.flatMap((set) => [...set]))];
  }
}
