import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerHeaders } from '../../src/http/answer-headers.ts';

type Line = readonly [name: string, value: string];

const raw = (lines: readonly Line[]): Buffer[] => lines.flat().map((text) => Buffer.from(text, 'latin1'));

describe('AnswerHeaders', () => {
  it('reads names in lower case, latin1, and of repeated headers the first', () => {
    const lines = [
      ['X-A', 'one'],
      ['x-a', 'two'],
      ['Ä', 'é'],
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ] as const;
    const headers = new AnswerHeaders().read(raw(lines));
    expect(Object.entries(headers)).toEqual([
      ['x-a', 'one'],
      ['ä', 'é'],
      ['constructor', 'y'],
    ]);
  });

  it('gives the same object for the same headers, and it cannot be changed', () => {
    const headers = new AnswerHeaders();
    const lines = [
      ['date', 'Sun'],
      ['server', 'x'],
    ] as const;
    const first = headers.read(raw(lines));
    expect(headers.read(raw(lines))).toBe(first);
    expect(Object.isFrozen(first)).toBe(true);
    expect(headers.read(raw([]))).toEqual({});
    expect(headers.read(raw(lines))).toEqual(first);
  });

  it('reads every answer as if it were the first, whatever came before', () => {
    const text = fc.constantFrom('', 'a', 'A', 'ab', 'b', 'é');
    const answers = fc.array(fc.array(fc.tuple(text, text), { maxLength: 4 }), { maxLength: 12 });
    fc.assert(
      fc.property(answers, (all) => {
        const headers = new AnswerHeaders();
        const given = all.map((lines) => headers.read(raw(lines)));
        expect(given).toEqual(all.map((lines) => new AnswerHeaders().read(raw(lines))));
      }),
    );
  });
});
