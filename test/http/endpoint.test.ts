import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ForbiddenEndpointError } from '../../src/errors.ts';
import { checkEndpointUrl, type EndpointPolicy } from '../../src/http/endpoint.ts';

const strict: EndpointPolicy = { allowHttp: false, allowPrivateAddresses: false, ports: undefined };
const withHttp: EndpointPolicy = { ...strict, allowHttp: true };
const open: EndpointPolicy = { allowHttp: true, allowPrivateAddresses: true, ports: undefined };

function refused(url: unknown, policy = strict): ForbiddenEndpointError {
  try {
    const canonical = checkEndpointUrl(url, policy);
    expect.fail(`${String(url)} was accepted as ${canonical}`);
  } catch (error) {
    expect(error).toBeInstanceOf(ForbiddenEndpointError);
    return error as ForbiddenEndpointError;
  }
}

/** Hosts that no policy for production may reach, in every spelling that we know of. */
const privateHosts = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '0177.0.0.1',
  '0x7f.0.0.1',
  '0x7f000001',
  '2130706433',
  '017700000001',
  '0',
  '0.0.0.0',
  '127.0.0.1.',
  '１２７.0.0.1',
  '①②⑦.0.0.1',
  '127。0。0。1',
  '[::]',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::7f00:1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '[2001:0:7f00:1::]',
  '[fe80::1]',
  '[fec0::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[ff02::1]',
  '[100::1]',
  '[5f00::1]',
  '[2001:db8::1]',
  '[3fff::1]',
  '169.254.169.254',
  '100.100.100.200',
  '192.0.0.192',
  '10.0.0.5',
  '192.168.1.1',
  '172.16.0.1',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'ｌocalhost',
  'foo.localhost',
  'metadata.google.internal',
  'x.local',
  'x.local.',
  'kubernetes.default.svc',
  'a.cluster.local',
  'intranet',
  'intranet.',
  'db',
  'printer.lan',
  'router.home.arpa',
  'wiki.corp',
  'x.localdomain',
  'abc.onion',
];

describe('checkEndpointUrl', () => {
  it.each(privateHosts)('refuses https://%s/ (U1 to U11)', (host) => {
    expect(refused(`https://${host}/`).message).toMatch(/must have a public (address|host name)/);
    refused(`http://${host}/`, withHttp);
  });

  it.each(privateHosts)('allows http://%s/ for development', (host) => {
    const canonical = checkEndpointUrl(`http://${host}/`, open);
    expect(checkEndpointUrl(canonical, open)).toBe(canonical);
  });

  it.each([
    ['http://example.com@127.0.0.1/', 'credentials'],
    ['https://user:pass@example.com/', 'credentials'],
    ['https://user@example.com/', 'credentials'],
    ['https://@example.com/', 'credentials'],
    ['https://:@example.com/', 'credentials'],
    ['https://example.com%2f@127.0.0.1/', 'credentials'],
    ['https://example.com/#fragment', 'fragment'],
    ['https://example.com/#', 'fragment'],
    ['https://ex%61mple.com/', 'percent-encoded host'],
    ['https://127%2e0.0.1/', 'percent-encoded host'],
    ['https://example.com%2eevil.com/', 'percent-encoded host'],
  ])('refuses %s: %s (U12, U19)', (url, rule) => {
    expect(refused(url, open).message).toContain(rule);
  });

  it.each([
    'file:///etc/passwd',
    'ftp://example.com/',
    'gopher://example.com/',
    'data:text/plain,x',
    'javascript:alert(1)',
    'ws://example.com/',
    'wss://example.com/',
    'blob:https://example.com/1',
    'unix:/var/run/docker.sock',
    'http+unix://%2Fvar%2Frun%2Fdocker.sock/',
    'example.com',
    '//example.com/',
    '/hook',
    'httpsx://example.com/',
  ])('refuses the scheme of %s (U15)', (url) => {
    expect(refused(url, open).message).toContain('must be an https URL');
  });

  it.each([
    '0',
    '22',
    '25',
    '65536',
    '80:80',
    '-1',
    '00443',
    '0443',
    '',
    '443x',
    '1 2',
    '６443',
    '2049',
    '6667',
    '10080',
    '80',
  ])('refuses port %j (U16)', (port) => {
    refused(`https://example.com:${port}/`);
  });

  it.each([
    ['https://example.com:443/', 'https://example.com/'],
    ['https://example.com:8443/', 'https://example.com:8443/'],
    ['https://example.com:1024/', 'https://example.com:1024/'],
    ['https://example.com:65535/', 'https://example.com:65535/'],
  ])('allows %s', (url, canonical) => {
    expect(checkEndpointUrl(url, strict)).toBe(canonical);
  });

  it('refuses every port from 1024 on that undici, after the Fetch standard, calls bad', async () => {
    const { default: constants } = await import('undici/lib/web/fetch/constants.js' as string);
    const bad = (constants.badPorts as string[]).map(Number).filter((port) => port >= 1024);
    expect(bad.length).toBeGreaterThan(10);
    for (const port of bad) refused(`https://example.com:${port}/`);
  });

  it('allows exactly the listed ports when there is a list', () => {
    const policy = { ...withHttp, ports: [443, 22] };
    expect(checkEndpointUrl('https://example.com/', policy)).toBe('https://example.com/');
    expect(checkEndpointUrl('https://example.com:22/', policy)).toBe('https://example.com:22/');
    refused('http://example.com/', policy);
    refused('https://example.com:8443/', policy);
  });

  it.each([
    ['a URL of 2 049 characters', `https://example.com/${'a'.repeat(2049 - 20)}`],
    ['a URL that grows beyond 2 048 characters', `https://example.com/${'é'.repeat(500)}`],
    ['a host name of 254 characters', `https://${'a.'.repeat(126)}aa/`],
    ['a label of 64 characters', `https://${'a'.repeat(64)}.com/`],
    ['a blank in the host', 'https://exa mple.com/'],
    ['a blank before', ' https://example.com/'],
    ['a line break after', 'https://example.com/\n'],
    ['a tab in the scheme', 'ht\ttps://example.com/'],
    ['a line break in the host', 'https://exam\r\nple.com/'],
    ['a NUL', 'https://example.com/\0'],
    ['a no-break space', 'https://example.com/\u00a0'],
    ['an empty label', 'https://example..com/'],
    ['two trailing dots', 'https://example.com../'],
    ['a leading dot', 'https://.example.com/'],
    ['a leading hyphen', 'https://-a.com/'],
    ['a trailing hyphen', 'https://a-.com/'],
    ['broken punycode', 'https://xn--a/'],
    ['broken punycode in a label', 'https://xn--a.com/'],
    ['no host', 'https:///'],
    ['no host at all', 'https://'],
    ['a host behind three slashes', 'https:///example.com/'],
    ['no slashes', 'https:example.com'],
    ['one slash', 'https:/example.com'],
    ['backslashes', 'https:\\\\example.com\\'],
    ['a backslash before an at sign', 'https://example.com\\@127.0.0.1/'],
    ['a backslash in the path', 'https://example.com/a\\..\\b'],
    ['a zone id', 'https://[fe80::1%25eth0]/'],
    ['a bare zone id', 'https://[fe80::1%eth0]/'],
    ['an open bracket', 'https://[::1/'],
    ['five numbers', 'https://1.2.3.4.5/'],
    ['a number beyond 32 bits', 'https://4294967296/'],
    ['a lone surrogate', 'https://example.com/\ud800'],
    ['an exclamation mark in the host', 'https://exa!mple.com/'],
    ['a non-character', 'https://exa\uffffmple.com/'],
  ])('refuses %s (U17)', (_what, url) => {
    refused(url);
    refused(url, open);
  });

  it.each([
    undefined,
    null,
    42,
    {},
    [],
    ['https://example.com/'],
    new URL('https://example.com/'),
    Symbol('url'),
  ])('refuses %s, which is no string', (url) => {
    expect(refused(url).message).toContain('must be a string');
  });

  it.each([
    ['HTTPS://EXAMPLE.COM', 'https://example.com/'],
    ['https://例え.jp/', 'https://xn--r8jz45g.jp/'],
    ['https://xn--r8jz45g.jp/', 'https://xn--r8jz45g.jp/'],
    ['https://faß.de/', 'https://xn--fa-hia.de/'],
    ['https://example.com./', 'https://example.com/'],
    ['https://example.com/%2e%2e/admin', 'https://example.com/admin'],
    ['https://example.com/../../x', 'https://example.com/x'],
    ['https://example.com/a?b=c&d', 'https://example.com/a?b=c&d'],
    ['https://example.com?x=1', 'https://example.com/?x=1'],
    ['https://example.com/@user/hook', 'https://example.com/@user/hook'],
    ['https://134744072/', 'https://8.8.8.8/'],
    ['https://[2606:4700:0::0:1111]/', 'https://[2606:4700::1111]/'],
    ['https://my_app.example.com/', 'https://my_app.example.com/'],
    ['https://a--b.example.com/', 'https://a--b.example.com/'],
    [`https://${'a'.repeat(63)}.com/`, `https://${'a'.repeat(63)}.com/`],
  ])('makes %s canonical (U19, U20, U24)', (url, canonical) => {
    expect(checkEndpointUrl(url, strict)).toBe(canonical);
    expect(checkEndpointUrl(canonical, strict)).toBe(canonical);
  });

  it('gives one form to all spellings of one endpoint (U24)', () => {
    const spellings = [
      'https://Example.com:443/a',
      'https://example.com./a',
      'HTTPS://EXAMPLE.COM/b/../a',
      'https://example.com/%2E/a',
    ];
    expect(new Set(spellings.map((url) => checkEndpointUrl(url, strict))).size).toBe(1);
  });

  it('allows http only when told to (U21)', () => {
    expect(refused('http://example.com/').message).toContain('must be an https URL');
    expect(checkEndpointUrl('http://example.com/', withHttp)).toBe('http://example.com/');
    expect(checkEndpointUrl('http://example.com:80/', withHttp)).toBe('http://example.com/');
  });

  it.each([
    'https://example.com:22/hook?key=SECRET',
    'https://user:SECRET@example.com/hook',
    'https://user:SE?CRET@example.com/',
    'https://user:pa#SECRET@example.com/',
    'https:\\\\user:SECRET@example.com\\',
    'https://SECRET@127.0.0.1/?q=a@b',
    'https://localhost/?to=SECRET@example.com',
    'ftp://user:SECRET@example.com/',
    'https://example.com/#SECRET',
    'user:SECRET@example.com',
  ])('does not repeat secrets in its refusal of %s (K4)', (url) => {
    const error = refused(url);
    expect(error.message).not.toMatch(/SE|CRET/);
    expect(error.field).toBe('url');
  });

  it('never throws anything else, and what it returns it accepts unchanged', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((a) => `[${a}]`),
      fc.constantFrom(...privateHosts),
    );
    const url = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc
        .tuple(
          fc.constantFrom('https://', 'http://', 'https:\\'),
          host,
          fc.webPath(),
          fc.webQueryParameters(),
        )
        .map(([scheme, name, path, query]) => `${scheme}${name}${path}?${query}`),
    );
    fc.assert(
      fc.property(url, fc.constantFrom(strict, withHttp, open), (text, policy) => {
        try {
          const canonical = checkEndpointUrl(text, policy);
          expect(checkEndpointUrl(canonical, policy)).toBe(canonical);
          expect(new URL(canonical).protocol).toBe(policy.allowHttp ? new URL(canonical).protocol : 'https:');
        } catch (error) {
          expect(error).toBeInstanceOf(ForbiddenEndpointError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
