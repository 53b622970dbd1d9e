/**
 * What the adapter asks of a driver, in the shape of `pg` (the package is never imported): a `Pool`, a `Client`, or whatever else
 * has these methods.
 */

/** Anything that runs one statement with `$1`, `$2`… parameters. */
export interface PostgresQueryable {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

/** A statement that a connection parses once, and then knows by its name. */
export interface NamedStatement {
  readonly name: string;
  readonly text: string;
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
  query(statement: string | NamedStatement, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
  connect(): Promise<unknown>;
  on?(event: 'error', listener: (error: Error) => void): unknown;
  removeListener?(event: 'error', listener: (error: Error) => void): unknown;
}

/** What a server or a driver says of an error, in as far as it matters here. */
export function errorCode(error: unknown): string | undefined {
  const innermost = innermostOf(error);
  return textIn(innermost, 'originalCode') ?? textIn(innermost, 'code');
}

/** The name of the constraint that was violated. */
export function errorConstraint(error: unknown): string | undefined {
  const innermost = innermostOf(error);
  return textIn(innermost, 'constraint') ?? textIn(innermost, 'constraint_name');
}

/** Where a library that wraps the errors of its driver keeps them: Drizzle in the first, Prisma in the others. */
const WRAPPED: readonly string[] = ['cause', 'meta', 'driverAdapterError'];
const DEEPEST = 5;

function innermostOf(error: unknown): unknown {
  let innermost = error;
  for (let depth = 0; depth < DEEPEST; depth += 1) {
    const [inner] = WRAPPED.map((name) => fieldOf(innermost, name)).filter(isObject);
    if (inner === undefined) break;
    innermost = inner;
  }
  return innermost;
}

function textIn(error: unknown, name: string): string | undefined {
  const value = fieldOf(error, name);
  return typeof value === 'string' ? value : undefined;
}

function fieldOf(error: unknown, name: string): unknown {
  return isObject(error) ? Reflect.get(error, name) : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
