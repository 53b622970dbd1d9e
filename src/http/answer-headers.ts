/**
 * Reads the headers of an origin's answers. One answer is much like the one before: what is equal is not made again, so that answers with the same headers share one object,
 * which is frozen, and others the texts that they have in common. That costs less, and whoever keeps them keeps less.
 */
export class AnswerHeaders {
  /** Of the last answer: names and values by turns. */
  readonly #texts: string[] = [];
  #headers: Readonly<Record<string, string>> = Object.freeze({});

  /** Names in lower case; of repeated headers the first. */
  read(raw: readonly Buffer[]): Readonly<Record<string, string>> {
    const texts = this.#texts;
    let isSame = texts.length === raw.length;
    texts.length = Math.min(texts.length, raw.length);
    for (let at = 0; at < raw.length; at += 1) {
      const bytes = raw[at];
      if (bytes === undefined || spells(bytes, texts[at])) continue;
      texts[at] = bytes.toString('latin1');
      isSame = false;
    }
    if (!isSame) this.#headers = Object.freeze(firstOfEach(texts));
    return this.#headers;
  }
}

function spells(bytes: Buffer, text: string | undefined): boolean {
  if (bytes.length !== text?.length) return false;
  for (let at = 0; at < bytes.length; at += 1) if (bytes[at] !== text.charCodeAt(at)) return false;
  return true;
}

function firstOfEach(texts: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = 1; at < texts.length; at += 2) {
    const name = (texts[at - 1] ?? '').toLowerCase();
    if (name !== '__proto__' && !Object.hasOwn(headers, name)) headers[name] = texts[at] ?? '';
  }
  return headers;
}
