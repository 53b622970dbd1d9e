import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Architecture, offences } from './tooling/architecture.ts';
import { readModule } from './tooling/read-module.ts';

/** The architecture of surehook. A new folder or file in src needs a place here. */
const ARCHITECTURE: Architecture = {
  layers: [
    ['errors', 'clock', 'fifo', 'random', 'version'],
    ['domain'],
    ['repos'],
    ['http'],
    ['views'],
    ['events'],
    ['memory'],
    ['sql'],
    ['sqlite', 'postgres'],
    ['options'],
    ['runtime'],
    ['publish', 'dispatcher', 'retention'],
    ['retry-queue'],
    ['admin', 'engine'],
    ['tenant'],
    ['surehook'],
    ['web'],
    ['index'],
    ['testing'],
  ],
  narrow: {
    web: ['errors', 'clock', 'domain', 'http', 'publish/new-event.ts', 'publish/host-code.ts', 'surehook'],
    // Of the engine only its face: crash histories run it as a host does.
    testing: ['errors', 'clock', 'random', 'domain', 'repos', 'http/transport.ts', 'options', 'surehook'],
  },
  pureModules: {
    eventemitter3: '*',
    'ipaddr.js': '*',
    'p-retry': '*',
    standardwebhooks: '*',
    tinyqueue: '*',
    'node:crypto': [
      'createHash',
      'createHmac',
      'createPrivateKey',
      'createPublicKey',
      'createSecretKey',
      'hash',
      'sign',
      'timingSafeEqual',
      'verify',
      'createDecipheriv',
      'createCipheriv',
    ],
    'node:assert/strict': '*',
    'node:buffer': '*',
    'node:diagnostics_channel': ['channel'],
    'node:net': ['isIP', 'isIPv4', 'isIPv6'],
    'node:url': '*',
    'node:util/types': '*',
  },
  exceptions: {
    'clock.ts': ['Date.now', 'setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'],
    'random.ts': ['Math.random', 'node:crypto#randomFillSync'],
    'http/connector.ts': ['node:net#connect', 'node:tls#connect'],
    'http/origin.ts': ['undici/lib/dispatcher/client.js'],
    'http/resolve.ts': ['node:dns/promises'],
    'http/undici-transport.ts': ['node:tls#createSecureContext'],
    'sqlite/host-transaction.ts': ['node:sqlite#DatabaseSync'],
    'sqlite/index.ts': ['node:sqlite#DatabaseSync'],
    'sqlite/open.ts': ['node:sqlite#DatabaseSync'],
    // The kit waits for wake-ups of stores that live elsewhere.
    'testing/contract/context.ts': ['setImmediate', 'node:timers/promises#setTimeout'],
    'testing/manual-clock.ts': ['setImmediate', 'clearImmediate'],
  },
};

const SRC = new URL('../src/', import.meta.url);

describe('the sources', () => {
  const modules = globSync('**/*.ts', { cwd: SRC })
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map((path) => readModule(path, readFileSync(new URL(path, SRC), 'utf8')));

  it('are read', () => {
    expect(modules.length).toBeGreaterThan(10);
    expect(modules.flatMap((module) => module.imports).length).toBeGreaterThan(10);
  });

  it('keep the layers, go in no circle, and touch time, chance and network only where named', () => {
    expect(offences(modules, ARCHITECTURE)).toEqual([]);
  });
});

/** What the rules say of these planted files. */
function judge(files: Readonly<Record<string, string>>): string[] {
  const modules = Object.entries(files).map(([path, source]) => readModule(path, source));
  return offences(modules, ARCHITECTURE);
}

describe('the layers', () => {
  it('let a file import from below and from its own folder', () => {
    expect(
      judge({
        'errors.ts': 'export const a = 1;',
        'domain/event.ts': "import { a } from '../errors.ts'; export const b = a;",
        'domain/delivery.ts': "import { b } from './event.ts'; export const c = b;",
      }),
    ).toEqual([]);
  });

  it.each([
    ['a value', "import { a } from '../repos.ts';"],
    ['a type', "import type { A } from '../repos.ts';"],
    ['a re-export', "export { a } from '../repos.ts';"],
    ['a whole re-export', "export * from '../repos.ts';"],
    ['a side effect', "import '../repos.ts';"],
    ['a dynamic import', "export const a = () => import('../repos.ts');"],
    ['an import type', "export type A = import('../repos.ts').A;"],
  ])('refuse %s from above', (_, source) => {
    expect(judge({ 'domain/event.ts': source, 'repos.ts': 'export {};' })).toEqual([
      'domain/event.ts: imports repos.ts, which is not in a layer below',
    ]);
  });

  it('refuse an import from the same layer', () => {
    expect(judge({ 'clock.ts': "import './errors.ts';", 'errors.ts': '' })).toContain(
      'clock.ts: imports errors.ts, which is not in a layer below',
    );
  });

  it('refuse a folder that the architecture does not have', () => {
    expect(judge({ 'helpers/strings.ts': '' })).toEqual([
      'helpers/strings.ts: the architecture has no unit helpers',
    ]);
  });

  it('refuse a file that is not there', () => {
    expect(judge({ 'repos.ts': "import './gone.ts';" })).toEqual([
      'repos.ts: imports gone.ts, which is no file of src',
    ]);
  });

  it('show the testing kit one file of http', () => {
    const files = { 'http/transport.ts': '', 'http/address.ts': '' };
    expect(judge({ ...files, 'testing/a.ts': "import '../http/transport.ts';" })).toEqual([]);
    expect(judge({ ...files, 'testing/a.ts': "import '../http/address.ts';" })).toHaveLength(1);
  });

  it('refuse a circle and show its path', () => {
    const offence = judge({
      'domain/a.ts': "import type { B } from './b.ts';",
      'domain/b.ts': "import { c } from './c.ts';",
      'domain/c.ts': "export { a } from './a.ts';",
    });
    expect(offence).toEqual(['circle: domain/a.ts -> domain/b.ts -> domain/c.ts -> domain/a.ts']);
  });
});

describe('the core', () => {
  it.each([
    ['Date.now', 'export const a = Date.now();'],
    ['Date.now', 'export const a = Date.now;'],
    ['Date.[computed]', "export const a = Date['now']();"],
    ['new Date()', 'export const a = new Date();'],
    ['Date', 'export const a = Date();'],
    ['Date', 'export const { now } = Date;'],
    ['Math.random', 'export const a = Math.random();'],
    ['setTimeout', 'export const a = (): void => void setTimeout(() => {}, 1);'],
    ['setInterval', 'export class A { #a = setInterval(() => {}, 1); }'],
    ['setImmediate', 'export const a = { b: setImmediate };'],
    ['fetch', 'export const a = { fetch };'],
    ['fetch', 'export const a = fetch as unknown;'],
    ['fetch', 'export function a(get = fetch) { return get; }'],
    ['fetch', 'export function a(fetch: () => void) { fetch(); }'],
    ['crypto', 'export const a = crypto.randomUUID();'],
    ['performance', 'export const a = performance.now();'],
    ['process', 'export const a = process.env;'],
    ['console', "console.log('a');"],
    ['globalThis', 'export const a = globalThis.fetch;'],
    ['AbortSignal.timeout', 'export const a = AbortSignal.timeout(1);'],
    ['node:crypto#randomUUID', "import { randomUUID } from 'node:crypto';"],
    ['node:crypto#*', "import * as a from 'node:crypto';"],
    ['node:timers/promises#setTimeout', "import { setTimeout as a } from 'node:timers/promises';"],
    ['node:http#request', "export { request } from 'node:http';"],
    ['undici#*', "export const a = () => import('undici');"],
    ['(computed)#*', 'export const a = (b: string) => import(b);'],
  ])('may not use %s: %s', (use, source) => {
    expect(judge({ 'domain/event.ts': source })).toEqual([`domain/event.ts: uses ${use}`]);
  });

  it.each([
    'export const a = new Date(0).toISOString() + Date.UTC(2025) + Date.parse("x");',
    'export const a = (b: unknown): boolean => b instanceof Date;',
    'export const a = Math.min(1, 2);',
    'export interface A { fetch(): void; readonly process: number; timer: ReturnType<typeof setTimeout> }',
    'export class A { fetch(): void {} }',
    'export const a = { setTimeout: 1 }.setTimeout;',
    'export const a: Date | AbortSignal | undefined = undefined;',
    "import { createHmac, type randomUUID } from 'node:crypto';",
    "import type { Pool } from 'undici';",
    'export const a = Date.prototype.toISOString;',
  ])('may: %s', (source) => {
    expect(judge({ 'domain/event.ts': source })).toEqual([]);
  });

  it('has exceptions by file, and none that nothing needs', () => {
    expect(judge({ 'random.ts': 'export const a = Math.random();' })).toEqual([
      'random.ts: has an exception for node:crypto#randomFillSync but no need of it',
    ]);
  });
});
