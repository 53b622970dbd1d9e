/** Whoever wants to hear of commits. A listener that throws does not make a write fail that was made. */
export class Listeners<T> {
  readonly #listeners = new Set<(news: T) => void>();

  add(listener: (news: T) => void): () => void {
    const own = (news: T): void => listener(news);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  emit(news: T): void {
    for (const listener of this.#listeners) {
      try {
        listener(news);
      } catch {
        // Its own affair.
      }
    }
  }
}
