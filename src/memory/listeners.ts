/**
 * Whoever wants to hear of writes. A listener that throws reaches neither the writer nor the other listeners: its error is
 * dropped, so a listener that can fail reports that itself.
 */
export class Listeners<T> {
  readonly #listeners = new Set<(news: T) => void>();

  /** Whether nobody listens: then there is no need to make up the news. */
  get none(): boolean {
    return this.#listeners.size === 0;
  }

  /** Adds a listener and returns what removes it. The same function may be added twice. */
  add(listener: (news: T) => void): () => void {
    const own = (news: T): void => listener(news);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Tells everybody, in the order they came. */
  emit(news: T): void {
    for (const listener of this.#listeners) {
      try {
        listener(news);
      } catch {
        // The write has been applied; thrown on, the error would make it seem to have failed.
      }
    }
  }
}
