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

/** Replacement characters take three bytes each, so that the text can be longer than the bytes it was made of. */
function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text).subarray(0, maxBytes);
  let end = bytes.length;
  // Back to the beginning of a character that was cut: continuation bytes are 10xxxxxx.
  const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;
  let start = end - 1;
  while (start > 0 && isContinuation(bytes[start])) start -= 1;
  const lead = bytes[start] ?? 0;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (start + length > end) end = start;
  return bytes.subarray(0, end).toString();
}
