import { invalidInput, type Refuse } from '../domain/check.ts';
import { quote } from '../errors.ts';

/** Something that is one tenant's. */
interface Owned {
  readonly tenantId: string;
}

/** The fields with the tenant among them. Throws what `refuse` makes where they name another one. */
export function limited<Fields extends { readonly tenantId?: unknown }>(
  tenantId: string,
  fields: Fields,
  refuse: Refuse = invalidInput,
): Fields & Owned {
  const given = fields.tenantId;
  if (given === undefined || given === tenantId) return { ...fields, tenantId };
  throw refuse('tenantId', `tenantId must be ${quote(tenantId)} or absent, not ${quote(given)}`, 'range');
}
