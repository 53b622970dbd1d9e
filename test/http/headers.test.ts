import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidEventError, InvalidInputError } from '../../src/errors.ts';
import { checkContentType, checkHeaders, isReservedHeader } from '../../src/http/headers.ts';

const check = (value: unknown) => checkHeaders('headers', value, InvalidEventError);

function refused(value: unknown): InvalidEventError {
  try {
    check(value);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidEventError);
    return error as InvalidEventError;
  }
  return expect.fail('was accepted');
}

describe('checkHeaders', () => {
  it('gives names in lower case and values without blanks around them', () => {
    expect(check({ 'X-Trace': ' a b\t', Authorization: 'Bearer abc', empty: '' })).toEqual({
      'x-trace': 'a b',
      authorization: 'Bearer abc',
      empty: '',
    });
  });

  it('throws the error that the caller asks for, with the path of the field', () => {
    expect(() => checkHeaders('headers', { 'X-A': 1 }, InvalidInputError)).toThrow(InvalidInputError);
    expect(refused({ 'X-A': 1 }).field).toBe('headers.x-a');
    expect(refused(null).field).toBe('headers');
  });

  it.each(['a\r\nb', 'a\nb', 'a\rb', 'a\0b', 'a\x7fb', 'a\x1bb', 'é', '日本', '\ud800', '\u2028'])(
    'refuses the value %j without showing it (HD1, HD10)',
    (bad) => {
      expect(refused({ 'x-a': `SECRET${bad}` }).message).not.toContain('SECRET');
    },
  );

  it.each(['X-A\r\nB', 'X A', 'X:A', '', 'é', 'x-a\0', '(a)', 'a\t', '日'])(
    'refuses the name %j (HD2)',
    (name) => {
      expect(refused({ [name]: 'v' }).message).toContain('is not a header name');
    },
  );

  it.each([
    'webhook-id',
    'Webhook-Signature',
    'WEBHOOK-TIMESTAMP',
    'Content-Type',
    'Content-Length',
    'Transfer-Encoding',
    'User-Agent',
    'Host',
    'Connection',
    'Keep-Alive',
    'Upgrade',
    'TE',
    'Trailer',
    'Expect',
    'Accept-Encoding',
    'Proxy-Authorization',
    'proxy-connection',
    'Svix-Id',
    'svix-signature',
    'svix-timestamp',
  ])('refuses the reserved name %s (HD6)', (name) => {
    expect(refused({ [name]: 'v' }).message).toContain('reserved');
    expect(isReservedHeader(name.toLowerCase())).toBe(true);
  });

  it('refuses a name that is given twice in different case (HD6)', () => {
    expect(refused({ 'X-A': '1', 'x-a': '2' }).message).toContain('twice');
  });

  it('allows 100 headers, values of 8 KiB and 16 KiB in all, and no more (HD7)', () => {
    const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`x-${i}`, 'v']));
    const full = { aaaa: 'v'.repeat(8188), bbbb: 'v'.repeat(8188) };
    expect(Object.keys(check(many(100)))).toHaveLength(100);
    refused(many(101));
    check({ a: 'v'.repeat(8192) });
    refused({ a: 'v'.repeat(8193) });
    check(full);
    refused({ ...full, c: '' });
  });

  it('takes names of inherited properties as plain names, and refuses __proto__ (HD8)', () => {
    const headers = check({ constructor: 'a', toString: 'b', hasOwnProperty: 'c' });
    expect(Object.entries(headers)).toEqual([
      ['constructor', 'a'],
      ['tostring', 'b'],
      ['hasownproperty', 'c'],
    ]);
    refused(JSON.parse('{"__proto__":"x"}'));
    expect(Object.prototype).not.toHaveProperty('x');
  });

  it('reads null-prototype objects', () => {
    expect(check(Object.assign(Object.create(null), { 'X-A': 'v' }))).toEqual({ 'x-a': 'v' });
  });

  it.each([1, null, undefined, true, ['v'], {}, { toString: () => 'v' }, 1n, Symbol('v'), () => 'v'])(
    'refuses the value %s, which is no string (HD9)',
    (value) => {
      expect(refused({ 'x-a': value }).message).toContain('must be a string');
    },
  );

  it.each([
    null,
    undefined,
    'x-a: v',
    5,
    [['x-a', 'v']],
    new Map([['x-a', 'v']]),
    new Headers({ 'x-a': 'v' }),
  ])('refuses %s, which is no plain object', (value) => {
    expect(refused(value).message).toContain('plain object');
  });

  it('turns a throwing getter into its own error and reads a changing one once', () => {
    const hostile = Object.defineProperty({}, 'x-a', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    expect(refused(hostile).cause).toEqual(new Error('no'));
    let reads = 0;
    expect(
      check({
        get 'x-a'() {
          return String(++reads);
        },
      }),
    ).toEqual({ 'x-a': '1' });
  });

  it('gives nothing that could break a request, whatever it is given', () => {
    const anything = fc.dictionary(
      fc.string({ unit: 'binary' }),
      fc.oneof(fc.string({ unit: 'binary' }), fc.anything()),
    );
    fc.assert(
      fc.property(anything, (value) => {
        try {
          for (const [name, text] of Object.entries(check(value))) {
            expect(name).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
            expect(text).toMatch(/^[\t -~]*$/);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidEventError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('checkContentType', () => {
  const type = (value: unknown) => checkContentType('contentType', value, InvalidEventError);

  it.each([
    'application/json',
    'text/html; charset=x',
    'text/plain;charset="utf-8"',
    'application/cloudevents+json ; v=1; b="a\\"b"',
  ])('allows %s (HD12)', (value) => {
    expect(type(value)).toBe(value);
  });

  it.each([
    'application/json\r\nX: y',
    'application/json\n',
    'application/json;',
    'application',
    '',
    '/json',
    'a/b/c',
    'a/b; c',
    'a/b; c=',
    'a/b; c="',
    'a/b; c="x\ny"',
    'a/é',
    ' a/b',
    `a/${'b'.repeat(254)}`,
    5,
    null,
    undefined,
    ['a/b'],
  ])('refuses %j (HD12)', (value) => {
    expect(() => type(value)).toThrow(InvalidEventError);
  });

  it('decides in linear time', () => {
    const started = performance.now();
    expect(() => type(`a/b${';a="'.repeat(59)}`)).toThrow();
    expect(performance.now() - started).toBeLessThan(50);
  });
});
