import fc from 'fast-check';
import { expect, test } from 'vitest';
import { storedText } from '../../src/dispatcher/stored-text.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);

test.each([
  ['nothing', bytes(''), 10, ''],
  ['a text that fits', bytes('hello'), 5, 'hello'],
  ['the beginning of one that does not', bytes('hello'), 4, 'hell'],
  ['no half of a character', bytes('aé'), 2, 'a'],
  ['NUL replaced, which not every store can keep', bytes('a\0b'), 16, 'a\ufffdb'],
  ['nothing when nothing is to be stored', bytes('hello'), 0, ''],
])('%s', (_, body, maxBytes, expected) => {
  expect(storedText(body, maxBytes)).toBe(expected);
});

test('whatever was received: valid text without NUL, within its bound, beginning as it was received', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(64), (body, maxBytes) => {
      const text = storedText(body, maxBytes);
      expect(text.isWellFormed()).toBe(true);
      expect(text).not.toContain('\0');
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxBytes);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(64), (received, maxBytes) => {
      const clean = received.replaceAll('\0', '');
      const text = storedText(bytes(clean), maxBytes);
      const kept = text.endsWith('\ufffd') ? text.slice(0, -1) : text;
      expect(clean.startsWith(kept)).toBe(true);
    }),
  );
});
