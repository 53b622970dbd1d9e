/** Where a claimed delivery is, and what it was when it was claimed. */
export interface ClaimedPlace {
  readonly seq: number;
  /** Attempts recorded before that of this claim. */
  readonly attempts: number;
  readonly takesTurns: boolean;
}

/**
 * Where the deliveries are that were claimed through these repos, by id: settling one finds its row without a search for the id. Only a
 * hint: whoever uses it finds out whether the claim is still held, and one that is missing is looked up.
 */
export class ClaimedPlaces {
  readonly #places = new Map<string, ClaimedPlace>();

  /** Takes note of a claim. The oldest notes of claims that nobody settled go when there are too many. */
  note(id: string, place: ClaimedPlace): void {
    this.#places.set(id, place);
    if (this.#places.size <= MOST) return;
    for (const oldest of this.#places.keys()) {
      this.#places.delete(oldest);
      return;
    }
  }

  /** The place of a delivery, which is forgotten. */
  take(id: string): ClaimedPlace | undefined {
    const place = this.#places.get(id);
    if (place !== undefined) this.#places.delete(id);
    return place;
  }
}

/** Several times what a process has under way. */
const MOST = 10_000;
