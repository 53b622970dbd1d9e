import { misuse, oneOf, plainObject } from '../../domain/check.ts';
import { checkTenantId } from '../../domain/ids.ts';
import type { Inspectable, InspectedFace } from './face.ts';
import { refused } from './refusal.ts';

/** What a request may see: one tenant's, or everything. With `readOnly` nothing may be changed. */
export type Scope = (
  | { readonly tenantId: string; readonly allTenants?: never }
  | { readonly allTenants: true; readonly tenantId?: never }
) & { readonly readOnly?: boolean };

/**
 * Says who asks. A `Scope`: the request is answered within it. Nothing (`undefined`, `null`, `false`): 401. A `Response`: sent as it is, such as a
 * 403 or a redirect to a login. What it throws becomes a 500 without detail. It is asked before anything else is looked at, and must leave
 * the body unread (`request.clone()` has another).
 */
export type Authorize = (
  request: Request,
) => Scope | Response | null | undefined | false | Promise<Scope | Response | null | undefined | false>;

/** What the caller may use. */
export interface Access {
  readonly face: InspectedFace;
  readonly readOnly: boolean;
}

/** Reads what `authorize` said. Whatever is no clear answer is an error of the host's code: nothing is shown. */
export function readAccess(said: unknown, surehook: Inspectable): Access {
  if (!said) throw refused(401, { code: 'unauthorized', message: 'Not authorized' });
  const keys = ['tenantId', 'allTenants', 'readOnly'] as const;
  const { tenantId, allTenants, readOnly } = plainObject('scope', said, { keys, refuse: misuse });
  if ((tenantId === undefined) === (allTenants === undefined)) {
    throw new TypeError('authorize must say either tenantId or allTenants: true');
  }
  const choices = [true, false];
  return {
    face: tenantId === undefined ? everything(surehook, allTenants) : surehook.forTenant(tenantOf(tenantId)),
    readOnly: readOnly === undefined ? false : oneOf('scope.readOnly', readOnly, { choices, refuse: misuse }),
  };
}

function everything(surehook: Inspectable, allTenants: unknown): InspectedFace {
  oneOf('scope.allTenants', allTenants, { choices: [true], refuse: misuse });
  return surehook;
}

function tenantOf(value: unknown): string {
  return checkTenantId('scope.tenantId', value, { refuse: misuse });
}

/** By its tag: some servers put a class of their own in the place of the global one. */
export function isResponse(value: unknown): value is Response {
  return Object.prototype.toString.call(value) === '[object Response]';
}
