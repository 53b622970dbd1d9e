const decoder = new TextDecoder('utf-8');

/**
 * The beginning of a response body as text of at most `maxBytes` bytes of UTF-8. What is not UTF-8 becomes U+FFFD; NUL, which not
 * every store can keep, too.
 */
export function storedText(body: Uint8Array, maxBytes: number): string {
  if (body.byteLength === 0 || maxBytes === 0) return '';
  const text = decoder.decode(body.subarray(0, maxBytes)).replaceAll('\0', '\ufffd');
  return Buffer.byteLength(text) <= maxBytes ? text : cut(text, maxBytes);
}

/** Replacement characters take three bytes each, so that the text can be longer than the bytes it was made of. As if more were to come, a character that was cut is left out. */
function cut(text: string, maxBytes: number): string {
  const whole = new TextDecoder('utf-8', { ignoreBOM: true });
  return whole.decode(Buffer.from(text).subarray(0, maxBytes), { stream: true });
}
