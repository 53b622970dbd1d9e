import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { createSurehook, memoryRepos, type SurehookOptions } from '../../src/index.ts';
import { checkSecretKeys } from '../../src/options/secret-keys.ts';

const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

test('one key or several, copied, in their order', () => {
  const given = [key(1), Buffer.from(key(2))];
  const keys = checkSecretKeys(given);
  given[0]?.fill(9);
  expect(keys).toEqual([key(1), key(2)]);
  expect(checkSecretKeys(key(3))).toEqual([key(3)]);
  expect(checkSecretKeys(undefined)).toEqual([]);
});

test.each([
  [null, TypeError],
  ['hunter2-hunter2-hunter2-hunter2-', TypeError],
  [['hunter2'], TypeError],
  [new Uint16Array(16), TypeError],
  [{ key: 'hunter2' }, TypeError],
  [Buffer.from('hunter2'), RangeError],
  [new Uint8Array(33), RangeError],
  [[key(1), new Uint8Array(31)], RangeError],
  [[], RangeError],
  [Array(11).fill(key(1)), RangeError],
])('%# is refused by name, and nothing of it is shown', (value, kind) => {
  let thrown: unknown;
  try {
    checkSecretKeys(value);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(kind);
  expect((thrown as Error).message).toContain('secretKey');
  expect(inspect(thrown)).not.toContain('hunter2');
});

test('as an option: the store has no secret to read, and a process with the key signs with it', async () => {
  const repos = memoryRepos();
  const surehook = createSurehook({ repos, secretKey: [key(1), key(2)] });
  const { webhook, secret } = await surehook.webhooks.create({
    url: 'https://a.example.com/',
    events: ['*'],
  });
  expect(inspect(await repos.webhooks.getMany([webhook.id]), { depth: null })).not.toContain(secret);
  expect(webhook.secretHint).toBe(secret.slice(-4));
  const later = createSurehook({ repos, secretKey: [key(3), key(1)] });
  expect(await later.webhooks.get(webhook.id)).toMatchObject({ secretHint: secret.slice(-4) });
  expect(inspect(later, { depth: null, showHidden: true })).not.toContain('secretKey');
  const wrong = { repos, secretKey: 'hunter2' } as unknown as SurehookOptions;
  expect(() => createSurehook(wrong)).toThrow(
    /^secretKey must be a Uint8Array of 32 bytes, or a list of them$/,
  );
});
