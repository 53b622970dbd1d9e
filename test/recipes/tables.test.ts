/** The tables of the README name all there is, and nothing else; its links lead somewhere. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Stats, SurehookEvents, SurehookOptions } from '../../src/index.ts';

const readme = readFileSync('README.md', 'utf8');

/** Names that the compiler knows to be all of them. */
type All<Type> = { readonly [Name in keyof Type]-?: true };

/** The names in backticks in the first cells of a section's rows, or in its text. */
function namesIn(section: string, pattern: RegExp): readonly string[] {
  const [, text = ''] = readme.split(`\n## ${section}\n`);
  const cells = [...(text.split('\n## ')[0] ?? '').matchAll(pattern)].map(([, cell = '']) => cell);
  return cells.flatMap((cell) => [...cell.matchAll(/`([\w:]+)`/g)].map(([, name = '']) => name)).sort();
}

const ROW = /^\| (`[^|]*) \|/gm;

it('every option is in the table of options', () => {
  const options: All<SurehookOptions> = {
    repos: true,
    retry: true,
    backoff: true,
    unavailableAfterMs: true,
    maxRetryAfterMs: true,
    timeoutMs: true,
    leaseMs: true,
    pollMs: true,
    maxInFlight: true,
    maxInFlightPerWebhook: true,
    prefetch: true,
    maxLost: true,
    maxPayloadBytes: true,
    rateLimit: true,
    catalog: true,
    shape: true,
    secretKey: true,
    maxResponseBytes: true,
    storedResponseBytes: true,
    replaysPerSecond: true,
    retention: true,
    idempotencyHeader: true,
    endpoints: true,
    webhookCacheMs: true,
    storageTimeoutMs: true,
    transport: true,
    clock: true,
    random: true,
    signer: true,
  };
  expect(namesIn('Options', ROW)).toEqual(Object.keys(options).sort());
});

it('every event is in the table of events, and every figure of stats() below it', () => {
  const events: All<SurehookEvents> = {
    'event:published': true,
    'event:filtered': true,
    'delivery:attempted': true,
    'delivery:delivered': true,
    'delivery:failed': true,
    'delivery:exhausted': true,
    'delivery:replaying': true,
    'webhook:created': true,
    'webhook:updated': true,
    'webhook:rotated': true,
    'webhook:deleted': true,
    'webhook:status': true,
    error: true,
  };
  expect(namesIn('Events', ROW)).toEqual(Object.keys(events).sort());
  const stats: All<Stats> = {
    running: true,
    published: true,
    inFlight: true,
    claimed: true,
    retryQueues: true,
    attempted: true,
    delivered: true,
    failed: true,
    exhausted: true,
    late: true,
  };
  expect(namesIn('Events', /^`surehook\.stats\(\)` (.*)$/gm)).toEqual(Object.keys(stats).sort());
});

it('every link within the repository leads somewhere', () => {
  const prose = readme.replace(/^```[\s\S]*?^```$/gm, '');
  const anchors = [...prose.matchAll(/^#+ (.+)$/gm)].map(
    ([, title = '']) =>
      `#${title
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-')}`,
  );
  const links = [...prose.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target);
  const own = links.filter((target) => !target.startsWith('https:'));
  expect(own.length).toBeGreaterThan(0);
  expect(own.filter((target) => !anchors.includes(target) && !existsSync(target))).toEqual([]);
});
