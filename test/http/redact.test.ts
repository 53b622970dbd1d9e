import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { credentialsIn, maskHeaders, maskSecrets, redactUrl, tokensIn } from '../../src/http/redact.ts';

describe('maskHeaders', () => {
  it('hides credentials and signatures and shows the rest', () => {
    const headers = {
      authorization: 'Bearer abc',
      cookie: 'a=b',
      'x-api-key': 'k',
      'api-key': 'k',
      'x-auth-user': 'u',
      'x-hub-token': 't',
      'client-secret': 's',
      'x-password': 'p',
      'webhook-signature': 'v1,abc',
      'webhook-id': 'evt_1',
      'webhook-timestamp': '1',
      'content-type': 'a/b',
      'idempotency-key': 'i',
      'x-trace': 't',
    };
    const masked = maskHeaders(headers);
    const shown = Object.keys(masked).filter((name) => masked[name] !== '***');
    expect(shown).toEqual(['webhook-id', 'webhook-timestamp', 'content-type', 'idempotency-key', 'x-trace']);
    expect(Object.keys(masked)).toEqual(Object.keys(headers));
    expect(masked['webhook-id']).toBe('evt_1');
  });

  it('hides the named headers too', () => {
    expect(maskHeaders({ 'x-customer': 'c', 'x-trace': 't' }, ['x-customer'])).toEqual({
      'x-customer': '***',
      'x-trace': 't',
    });
  });

  it('goes on telling names apart after very many of them', () => {
    for (let i = 0; i < 3000; i++) maskHeaders({ [`x-${i}`]: 'v' });
    expect(maskHeaders({ 'x-1': 'v', 'x-token': 't' })).toEqual({ 'x-1': 'v', 'x-token': '***' });
  });
});

describe('credentialsIn', () => {
  it('are the values that maskHeaders hides, whatever the case of their names', () => {
    expect(credentialsIn({ Authorization: 'a', 'x-plain': 'b', 'X-API-Key': 'c' })).toEqual(['a', 'c']);
  });
});

describe('tokensIn', () => {
  it.each([
    ['https://example.com/a', ['']],
    ['https://example.com/a?key=a%2Fb&c', ['a%2Fb', 'c', 'a/b', '']],
    ['no URL', []],
  ])('of %s are %j', (url, tokens) => {
    expect(tokensIn(url)).toEqual(tokens);
  });
});

describe('redactUrl', () => {
  it.each([
    ['https://example.com/a', 'https://example.com/a'],
    ['https://example.com/a?', 'https://example.com/a?'],
    ['https://example.com/a?key=SECRET', 'https://example.com/a?key=***'],
    ['https://example.com/a?key=SECRET&b=SEC=RET&c=', 'https://example.com/a?key=***&b=***&c=***'],
    ['https://example.com/a?SECRET', 'https://example.com/a?***'],
    ['https://example.com/a?x=1?key=SECRET&SECRET#SECRET', 'https://example.com/a?x=***&***'],
  ])('shows %s as %s (K4)', (url, shown) => {
    expect(redactUrl(url)).toBe(shown);
  });
});

describe('maskSecrets', () => {
  it('hides a private key with its prefix and without', () => {
    const pair =
      'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==';
    expect(maskSecrets(`got ${pair} and ${pair.slice(5)}`, [pair])).toBe('got whsk_*** and ***');
  });

  const secret = 'whsec_q/Zt+8yRk4mW0vJx7bNf1sLd5hGc2pTa9eUi6oYrX3E=';
  const key = secret.slice('whsec_'.length);

  it.each([
    ['whole', `got ${secret}!`, 'got whsec_***!'],
    ['without its prefix', `{"key":"${key}"}`, '{"key":"***"}'],
    ['twice', `${key} ${key}`, '*** ***'],
    ['with escaped slashes', key.replaceAll('/', '\\/'), '***'],
    ['with escaped plus signs', key.replaceAll('+', '\\u002B'), '***'],
    ['cut short by the end', `x ${key.slice(0, 20)}`, 'x ***'],
    ['percent-encoded', `sig=${encodeURIComponent(key)}&ok=1`, 'sig=***&ok=1'],
    ['percent-encoded in lower case', key.replaceAll('/', '%2f').replaceAll('+', '%2b'), '***'],
    ['percent-encoded and cut short in an escape', `x ${encodeURIComponent(key).slice(0, 18)}`, 'x ***'],
    [
      'as HTML has it',
      key.replaceAll('/', '&#x2F;').replaceAll('+', '&#43;').replaceAll('=', '&#61;'),
      '***',
    ],
    ['in several spellings', `${key} 100% ${encodeURIComponent(key)} \\/ ${key}`, '*** 100% *** \\/ ***'],
  ])('hides a secret %s (K5)', (_how, text, masked) => {
    expect(maskSecrets(text, [secret])).toBe(masked);
  });

  it('hides a secret however its characters are escaped and wherever it is cut (K5)', () => {
    const spell = (character: string, how: number): string => {
      const code = character.charCodeAt(0);
      const hex = code.toString(16).padStart(2, '0');
      const spellings = [
        character,
        `%${hex}`,
        `%${hex.toUpperCase()}`,
        `\\u00${hex}`,
        `&#x${hex};`,
        `&#${code};`,
      ];
      return spellings[how] ?? (character === '/' ? '\\/' : character);
    };
    const around = fc.stringMatching(/^[ "%&\\u0-9]{0,12}$/);
    fc.assert(
      fc.property(
        fc.base64String({ minLength: 32, maxLength: 64 }),
        fc.infiniteStream(fc.nat(6)),
        around,
        fc.option(fc.nat(100), { nil: undefined }),
        (base64, spellings, before, cut) => {
          const characters = base64.split('').map((character) => {
            const [how = 0] = spellings.take(1);
            return spell(character, how);
          });
          const whole = characters.join('');
          const length = characters.slice(0, 9).join('').length;
          const text =
            cut === undefined ? `${before} ${whole} end` : `${before} ${whole.slice(0, length + cut)}`;
          const masked = maskSecrets(text, [`whsec_${base64}`]);
          expect(masked.startsWith(`${before} ***`)).toBe(true);
          if (cut === undefined) expect(masked).toBe(`${before} *** end`);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('leaves texts with other escapes in them as they are', () => {
    const others = fc.stringMatching(/^[%&#x;\\u0-9a-f/"]{0,60}$/);
    fc.assert(fc.property(others, (text) => void expect(maskSecrets(text, [secret])).toBe(text)));
  });

  it('hides secrets that overlap as one', () => {
    expect(maskSecrets('x abcdefghijklmnop y', ['abcdefghijkl', 'efghijklmnop', 'efghijkl'])).toBe('x *** y');
  });

  it('hides every entry of a signature and the token of a credential (K5)', () => {
    const signature =
      'v1,aGVsbG8gd29ybGQgMTIzNDU2Nzg5MDEyMzQ1Njc4OTA= v1,c2Vjb25kIHNlY3JldCBpcyBvdGhlciB0aGFuIGZpcnN0';
    const text = `sig ${signature} auth Bearer abcdef123456`;
    const masked = maskSecrets(text, [signature, 'Bearer abcdef123456']);
    expect(masked).toBe('sig v1,*** v1,*** auth Bearer ***');
  });

  it('leaves other texts alone, also with secrets too short to be ones', () => {
    expect(maskSecrets('ok, thanks a lot', [secret, '', 'ok', 'a'])).toBe('ok, thanks a lot');
    expect(maskSecrets('', [secret])).toBe('');
    expect(maskSecrets(`${key.slice(0, 8)} is not the end of it`, [secret])).toBe(
      `${key.slice(0, 8)} is not the end of it`,
    );
  });
});
