import { InvalidEventError, messageOf, quote } from '../errors.ts';
import type { BodyContent, DataContent, EventFields } from './new-event.ts';

type FieldName = keyof EventFields | keyof DataContent | keyof BodyContent;

/** What the host gave, field by field, as yet unchecked. */
export type Fields = { [Name in FieldName]?: unknown };

const fieldNames: { readonly [Name in FieldName]: true } = {
  type: true,
  data: true,
  body: true,
  contentType: true,
  tenantId: true,
  source: true,
  headers: true,
  idempotencyKey: true,
  orderingKey: true,
  deliverAt: true,
  id: true,
  timestamp: true,
};

/**
 * The own fields of an event, each read once: an accessor may answer differently the second time, or throw. Fields that events do not
 * have are refused. Throws `InvalidEventError` only.
 */
export function ownFields(input: unknown): Fields {
  if (typeof input !== 'object' || input === null || guarded('event', () => Array.isArray(input))) {
    throw new InvalidEventError('event', `event must be an object, not ${quote(input)}`);
  }
  const fields: Fields = {};
  for (const name of guarded('event', () => Object.keys(input))) {
    if (!isFieldName(name)) {
      const known = Object.keys(fieldNames).join(', ');
      throw new InvalidEventError(name, `${quote(name)} is not a field of an event: known are ${known}`);
    }
    fields[name] = guarded(name, () => (input as Fields)[name]);
  }
  return fields;
}

function isFieldName(name: string): name is FieldName {
  return Object.hasOwn(fieldNames, name);
}

/** Runs what may run code of the host's: an accessor, or a trap of a proxy. */
function guarded<Value>(field: string, read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    throw new InvalidEventError(field, `${field} cannot be read: ${messageOf(cause)}`, { cause });
  }
}
