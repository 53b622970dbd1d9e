import assert from 'node:assert/strict';
import { ConflictError } from '../../errors.ts';

/** Asserts that records are equal in every field. A field that is undefined counts as absent, a `Buffer` as its bytes. */
export function same(actual: unknown, expected: unknown, message?: string): void {
  assert.deepEqual(plain(actual), plain(expected), message);
}

/** The same for lists whose order does not matter. */
export function sameInAnyOrder<T extends object>(actual: readonly T[], expected: readonly T[]): void {
  same(actual.map(keyed).sort(byKey), expected.map(keyed).sort(byKey));
}

/** Asserts that the call rejects with `ConflictError`. */
export async function rejectsWithConflict(call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => error instanceof ConflictError || badRejection(error));
}

/** The ids of records, in their order. */
export function ids(records: readonly { readonly id: string }[]): string[] {
  return records.map((record) => record.id);
}

/** The only element of a list; fails unless there is exactly one. */
export function only<T>(list: readonly T[]): T {
  assert.equal(list.length, 1, `expected exactly one, got ${list.length}`);
  return list[0] as T;
}

/** Asserts that no element appears twice. */
export function allDistinct(list: readonly string[]): void {
  assert.equal(new Set(list).size, list.length, 'something was handed out twice');
}

function badRejection(error: unknown): never {
  assert.fail(`expected a ConflictError, got ${String(error)}`);
}

/** Plain objects and arrays with sorted keys and without undefined fields, whatever the adapter makes its records of. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [name, plain(field)]));
}

function keyed(value: object): { key: string; value: object } {
  const record: Partial<Record<'id' | 'webhookId', string>> = value;
  return { key: record.id ?? record.webhookId ?? '', value };
}

function byKey(a: { key: string }, b: { key: string }): number {
  return a.key < b.key ? -1 : Number(a.key > b.key);
}
