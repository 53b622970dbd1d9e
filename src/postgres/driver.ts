/**
 * What the adapter asks of a driver, in the shape of `pg` (the package is never imported): a `Pool`, a `Client`, or whatever else
 * has these methods.
 */

/** Anything that runs one statement with `$1`, `$2`… parameters. */
export interface PostgresQueryable {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

/** A connection of its own. */
export interface PostgresClient extends PostgresQueryable {
  /** Gives it back to its pool; with `true` the connection is broken and is closed instead. */
  release?(destroy?: boolean): void;
  on?(event: 'error' | 'end' | 'notification', listener: (news: never) => void): unknown;
  removeListener?(event: 'error' | 'end' | 'notification', listener: (news: never) => void): unknown;
}

/** Lends connections. A `pg` `Client` fits too: then all work shares its one connection. */
export interface PostgresPool extends PostgresQueryable {
  connect(): Promise<unknown>;
  on?(event: 'error', listener: (error: Error) => void): unknown;
  removeListener?(event: 'error', listener: (error: Error) => void): unknown;
}

/** What a server or a driver says of an error, in as far as it matters here. */
export function errorCode(error: unknown): string | undefined {
  return fieldOf(error, 'code');
}

/** The name of the constraint that was violated. */
export function errorConstraint(error: unknown): string | undefined {
  return fieldOf(error, 'constraint') ?? fieldOf(error, 'constraint_name');
}

function fieldOf(error: unknown, name: string): string | undefined {
  if (typeof error !== 'object' || error === null || !(name in error)) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : undefined;
}
