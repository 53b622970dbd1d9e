/**
 * Where the deliveries are that were claimed through these repos, by id: settling one finds its row without a search for the id. Only a
 * hint: whoever uses it compares the id with the row's, and one that is missing is looked up.
 */
export class ClaimedPlaces {
  readonly #seqs = new Map<string, number>();

  /** Takes note of a claim. The oldest notes of claims that nobody settled go when there are too many. */
  note(id: string, seq: number): void {
    this.#seqs.set(id, seq);
    if (this.#seqs.size <= MOST) return;
    for (const oldest of this.#seqs.keys()) {
      this.#seqs.delete(oldest);
      return;
    }
  }

  /** The place of a delivery, which is forgotten. */
  take(id: string): number | undefined {
    const seq = this.#seqs.get(id);
    if (seq !== undefined) this.#seqs.delete(id);
    return seq;
  }
}

/** Several times what a process has under way. */
const MOST = 10_000;
