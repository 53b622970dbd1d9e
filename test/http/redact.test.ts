import { describe, expect, it } from 'vitest';
import { maskHeaders, maskSecrets, redactUrl } from '../../src/http/redact.ts';

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
  ])('hides a secret %s (K5)', (_how, text, masked) => {
    expect(maskSecrets(text, [secret])).toBe(masked);
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
