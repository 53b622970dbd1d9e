/** What went wrong, as a client sees it. */
export interface Failure {
  /** Stable across versions, fit for a `switch`: a code of `SurehookError`, or one of the door. */
  readonly code: string;
  /** For people. */
  readonly message: string;
  /** The parameter or field that is wrong. */
  readonly field?: string;
}

/** The body of every answer that is no success. */
export interface FailureBody {
  readonly error: Failure;
}

/** What a client reads where the answer was made of a `T`: `Json<Delivery>` is one with texts for `Date`s. */
export type Json<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Json<Item>[]
    : T extends object
      ? { readonly [Name in keyof T]: Json<T[Name]> }
      : T;

/** On every answer: none is to be kept by a cache, or taken for something else than JSON by a browser. */
const always = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

/** A JSON answer. `Date`s become ISO strings. */
export function json(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(value), { status, headers: { ...always, ...headers } });
}

/** A JSON answer that tells what went wrong. */
export function failure(
  status: number,
  error: Failure,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return json(status, { error } satisfies FailureBody, headers);
}
