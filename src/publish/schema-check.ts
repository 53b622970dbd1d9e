import { fieldPath } from '../domain/check.ts';
import type { SchemaIssue, SchemaResult, StandardSchema } from '../domain/standard-schema.ts';
import { type EventIssue, HostCodeError, InvalidEventError, messageOf } from '../errors.ts';

const MAX_ISSUES = 10;
const MAX_LENGTH = 200;

/** What a schema made of `data`. In an object of its own: it may be a promise itself. */
export interface SchemaOutput {
  readonly data: unknown;
}

/**
 * Has a schema judge the `data` of an event of that type. Throws or rejects with `InvalidEventError`, which has the issues, or with `HostCodeError` where the schema
 * throws or does not answer as schemas do.
 */
export function checkBySchema(
  schema: StandardSchema,
  type: string,
  data: unknown,
): SchemaOutput | Promise<SchemaOutput> {
  const part = `schema of ${type}`;
  const result = guarded(part, () => schema['~standard'].validate(data));
  if (!(result instanceof Promise)) return guarded(part, () => outputOf(result));
  return result.then(
    (answer) => guarded(part, () => outputOf(answer)),
    (cause: unknown) => {
      throw new HostCodeError(part, { cause });
    },
  );
}

function guarded<T>(part: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof InvalidEventError) throw cause;
    throw new HostCodeError(part, { cause });
  }
}

function outputOf(result: SchemaResult<unknown>): SchemaOutput {
  if (result.issues !== undefined) throw refusal(result.issues);
  if ('value' in result) return { data: result.value };
  throw new TypeError('the schema answered neither a value nor issues');
}

function refusal(found: readonly SchemaIssue[]): InvalidEventError {
  const issues = Array.from(found.slice(0, MAX_ISSUES), readIssue);
  const first = issues[0] ?? { path: 'data', message: 'refused' };
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : '';
  return new InvalidEventError(first.path, `${first.path}: ${first.message}${more}`, { issues });
}

function readIssue({ message, path = [] }: SchemaIssue): EventIssue {
  let place = 'data';
  for (const step of path) {
    const key = typeof step === 'object' ? step.key : step;
    place = typeof key === 'number' ? `${place}[${key}]` : fieldPath(place, String(key));
    if (place.length > MAX_LENGTH) break;
  }
  return { message: messageOf(message).slice(0, MAX_LENGTH), path: place.slice(0, MAX_LENGTH) };
}
