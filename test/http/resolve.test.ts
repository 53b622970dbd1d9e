import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkedAddresses, type DnsResolver, dnsResolver, type Resolve } from '../../src/http/resolve.ts';
import { type DnsServer, startDns } from './dns-server.ts';

describe('dnsResolver', () => {
  let dns: DnsServer;
  let resolver: DnsResolver;

  beforeAll(async () => {
    dns = await startDns({
      'both.test': { a: ['8.8.8.8', '8.8.4.4', '1.1.1.1'], aaaa: ['2606:4700::1111'] },
      'v4.test': { a: ['8.8.8.8'] },
      'v6.test': { aaaa: ['2606:4700::1111'] },
      'empty.test': {},
      'failing.test': 2,
      'silent.test': 'silence',
      'private.test': { a: ['8.8.8.8', '10.0.0.1'] },
    });
    resolver = dnsResolver({ timeoutMs: 100, servers: [dns.address] });
  });

  afterAll(async () => {
    resolver.close();
    await dns.close();
  });

  it('finds the addresses of both families, in turn, IPv4 first', async () => {
    expect(await resolver.resolve('both.test')).toEqual(['8.8.8.8', '2606:4700::1111', '8.8.4.4', '1.1.1.1']);
    expect(await resolver.resolve('v4.test')).toEqual(['8.8.8.8']);
    expect(await resolver.resolve('v6.test')).toEqual(['2606:4700::1111']);
  });

  it.each(['empty.test', 'failing.test', 'missing.test'])('rejects for %s', async (name) => {
    await expect(resolver.resolve(name)).rejects.toThrow();
  });

  it('gives a server that is silent up after a short time', async () => {
    const started = performance.now();
    await expect(resolver.resolve('silent.test')).rejects.toThrow();
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('asks once for one name at a time, and anew afterwards', async () => {
    const asked = (): number => dns.asked.filter((name) => name === 'both.test').length;
    const before = asked();
    await Promise.all([1, 2, 3].map(() => resolver.resolve('both.test')));
    expect(asked() - before).toBe(2);
    await resolver.resolve('both.test');
    expect(asked() - before).toBe(4);
  });

  it('takes localhost and names under it for loopback, without asking', async () => {
    expect(await resolver.resolve('localhost')).toEqual(['127.0.0.1', '::1']);
    expect(await resolver.resolve('a.localhost')).toEqual(['127.0.0.1', '::1']);
    expect(dns.asked).not.toContain('localhost');
  });

  it('fails what is under way when it is closed', async () => {
    const other = dnsResolver({ timeoutMs: 60_000, servers: [dns.address] });
    const running = expect(other.resolve('silent.test')).rejects.toThrow();
    other.close();
    await running;
  });

  it('feeds the check: one private address among the answers refuses the name', async () => {
    const query = { hostname: 'private.test', allowPrivateAddresses: false, resolve: resolver.resolve };
    await expect(checkedAddresses(query)).rejects.toMatchObject({
      kind: 'blocked',
      message: 'blocked by policy',
    });
  });
});

describe('checkedAddresses', () => {
  const answers =
    (...addresses: readonly string[]): Resolve =>
    () =>
      Promise.resolve(addresses);
  const check = (hostname: string, resolve: Resolve, allowPrivateAddresses = false) =>
    checkedAddresses({ hostname, allowPrivateAddresses, resolve });
  const unasked: Resolve = () => expect.fail('asked for a literal');

  it('judges literals without asking', async () => {
    expect(await check('8.8.8.8', unasked)).toEqual(['8.8.8.8']);
    expect(await check('2606:4700:0:0::1111', unasked)).toEqual(['2606:4700::1111']);
    expect(await check('127.0.0.1', unasked, true)).toEqual(['127.0.0.1']);
    await expect(check('127.0.0.1', unasked)).rejects.toMatchObject({ kind: 'blocked' });
    await expect(check('::1', unasked)).rejects.toMatchObject({ kind: 'blocked' });
  });

  it('gives at most four, each once, in their one spelling', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => `8.8.${i >> 8}.${i & 255}`);
    expect(await check('a.test', answers(...many))).toEqual(['8.8.0.0', '8.8.0.1', '8.8.0.2', '8.8.0.3']);
    expect(await check('a.test', answers('8.8.8.8', '::ffff:8.8.8.8', '2606:4700:0::1'))).toEqual([
      '8.8.8.8',
      '2606:4700::1',
    ]);
  });

  it.each(['127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::7f00:1', 'fe80::1%eth0', 'localhost', ''])(
    'refuses a name that has %j anywhere among its addresses (N1, N6)',
    async (address) => {
      const many = Array.from({ length: 999 }, () => '8.8.8.8');
      await expect(check('a.test', answers(...many, address))).rejects.toMatchObject({ kind: 'blocked' });
    },
  );

  it('refuses a name that is rebound between two connections', async () => {
    const turns = [['8.8.8.8'], ['127.0.0.1']];
    const rebinding: Resolve = () => Promise.resolve(turns.shift() ?? []);
    expect(await check('a.test', rebinding)).toEqual(['8.8.8.8']);
    await expect(check('a.test', rebinding)).rejects.toMatchObject({ kind: 'blocked' });
  });

  it('calls a name without addresses unresolved, whatever the resolver does', async () => {
    const bad: readonly Resolve[] = [
      answers(),
      () => Promise.reject(new Error('10.0.0.1 said no')),
      () => {
        throw new Error('10.0.0.1 said no');
      },
    ];
    for (const resolve of bad) {
      await expect(check('a.test', resolve, true)).rejects.toMatchObject({
        kind: 'dns',
        message: 'the host name could not be resolved',
      });
    }
    await expect(check('a.test', answers('localhost'), true)).rejects.toMatchObject({ kind: 'dns' });
  });
});
