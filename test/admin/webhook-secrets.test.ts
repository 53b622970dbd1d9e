import { describe, expect, test } from 'vitest';
import { parseRotation, rotated } from '../../src/admin/webhook-secrets.ts';
import type { WebhookSecret } from '../../src/domain/webhook.ts';
import { ConflictError, InvalidInputError } from '../../src/errors.ts';

const DAY = 86_400_000;

describe('a rotation', () => {
  test('is immediate and keeps the kind unless it says otherwise', () => {
    expect(parseRotation({})).toEqual({ signing: undefined, overlapMs: 0 });
    expect(parseRotation({ signing: undefined, overlapMs: undefined })).toEqual(parseRotation({}));
    expect(parseRotation({ signing: 'ed25519', overlapMs: 365 * DAY })).toEqual({
      signing: 'ed25519',
      overlapMs: 365 * DAY,
    });
  });

  test.each([
    ['signing', { signing: 'v1a' }, '"v1a"'],
    ['signing', { signing: null }, 'null'],
    ['overlapMs', { overlapMs: -1 }, '-1'],
    ['overlapMs', { overlapMs: 1.5 }, '1.5'],
    ['overlapMs', { overlapMs: 365 * DAY + 1 }, '31536000001'],
    ['overlapMs', { overlapMs: Number.POSITIVE_INFINITY }, 'Infinity'],
    ['overlapMs', { overlapMs: '1' }, '"1"'],
    ['overlap', { overlap: 1 }, 'overlapMs'],
    ['rotation', 5, '5'],
    ['rotation', null, 'null'],
  ])('is refused by name and value: %s of %j', (field, input, shown) => {
    const thrown = (() => {
      try {
        return parseRotation(input);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(InvalidInputError);
    expect((thrown as InvalidInputError).field).toBe(field);
    expect((thrown as InvalidInputError).message).toContain(shown);
  });
});

describe('the secrets after a rotation', () => {
  const times = { now: 100, until: 200 };

  test('are the new one alone, when nothing overlaps', () => {
    const secrets = [{ secret: 'a' }, { secret: 'b', expiresAt: 500 }];
    expect(rotated(secrets, 'new', { now: 100, until: 100 })).toEqual([{ secret: 'new' }]);
  });

  test('are the new one and those before, until the overlap ends or they would have', () => {
    const secrets = [{ secret: 'a' }, { secret: 'b', expiresAt: 150 }, { secret: 'c', expiresAt: 500 }];
    expect(rotated(secrets, 'new', times)).toEqual([
      { secret: 'new' },
      { secret: 'a', expiresAt: 200 },
      { secret: 'b', expiresAt: 150 },
      { secret: 'c', expiresAt: 200 },
    ]);
  });

  test('keep none that has ended', () => {
    const secrets = [{ secret: 'a' }, { secret: 'b', expiresAt: 100 }, { secret: 'c', expiresAt: 1 }];
    expect(rotated(secrets, 'new', times).map(({ secret }) => secret)).toEqual(['new', 'a']);
  });

  test('are the same when it is done once more, later', () => {
    const once = rotated([{ secret: 'a' }], 'new', times);
    expect(rotated(once, 'new', { now: 150, until: 250 })).toEqual(once);
  });

  test('are never more than eight', () => {
    let secrets: readonly WebhookSecret[] = [{ secret: '0' }];
    for (let n = 1; n < 8; n += 1) secrets = rotated(secrets, String(n), times);
    expect(secrets.map(({ secret }) => secret)).toEqual(['7', '6', '5', '4', '3', '2', '1', '0']);
    expect(() => rotated(secrets, '8', times)).toThrow(ConflictError);
    expect(rotated(secrets, '8', { now: 200, until: 300 })).toHaveLength(2);
    expect(rotated(secrets, '8', { now: 100, until: 100 })).toHaveLength(1);
  });
});
