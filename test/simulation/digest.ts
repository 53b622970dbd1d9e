/**
 * A running hash of everything that happens in a history: two runs of one seed are the same exactly when their hashes are. Cheap rather than
 * strong: two 32-bit lanes, multiplied and rotated.
 */
export class Digest {
  #a = 0x9e3779b9 | 0;
  #b = 0x243f6a88 | 0;

  /** The hash so far, 16 hexadecimal digits. */
  get hex(): string {
    return hex32(this.#a) + hex32(this.#b);
  }

  /** Takes in any value: data of all kinds by its content, functions not at all. */
  add(value: unknown): void {
    switch (typeof value) {
      case 'string':
        this.#text(value);
        return;
      case 'number':
        this.#number(value);
        return;
      case 'object':
        this.#object(value);
        return;
      default:
        this.#mix(value === true ? 1 : value === false ? 2 : 3);
    }
  }

  #mix(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193);
    this.#b = (Math.imul(this.#b, 0x85ebca6b) ^ (word << 7) ^ (word >>> 25)) + this.#a;
    this.#b |= 0;
  }

  #text(text: string): void {
    this.#mix(text.length);
    for (let at = 0; at < text.length; at += 1) this.#mix(text.charCodeAt(at));
  }

  /** Instants have more than 32 bits and, on the timeline, fractions: a 2^20th of a ms tells them apart. */
  #number(value: number): void {
    if (!Number.isFinite(value)) this.#mix(5);
    this.#mix(value | 0);
    this.#mix((value / 2 ** 32) | 0);
    this.#mix(((value % 1) * 2 ** 20) | 0);
  }

  #object(value: object | null): void {
    if (value === null) this.#mix(4);
    else if (value instanceof Uint8Array) this.#bytes(value);
    else if (Array.isArray(value)) {
      this.#mix(value.length);
      for (const item of value) this.add(item);
    } else if (value instanceof Error) this.#text(value.name + value.message);
    else this.#fields(value as Readonly<Record<string, unknown>>);
  }

  #bytes(bytes: Uint8Array): void {
    this.#mix(bytes.length);
    for (const byte of bytes) this.#mix(byte);
  }

  #fields(record: Readonly<Record<string, unknown>>): void {
    for (const name in record) {
      this.#text(name);
      this.add(record[name]);
    }
  }
}

function hex32(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
