import { HostCodeError, InvalidInputError } from '../../errors.ts';
import { checkContentType } from '../../http/headers.ts';
import type { RequestContext } from '../node.ts';
import { forwardedAddress, isInRanges } from './addresses.ts';
import { sameText } from './comparing.ts';
import { readText } from './hooks.ts';
import type { IngressSettings } from './options.ts';
import { refused, refusedWithout } from './refusing.ts';

const LENGTH = /^[0-9]{1,15}$/;
const UNNAMED_BYTES = 'application/octet-stream';

/** Judges all that can be judged before the body is read. Throws a `Refusal`, or what is the host's fault. */
export function checkGate(
  request: Request,
  context: RequestContext | undefined,
  settings: IngressSettings,
): void {
  if (request.method !== 'POST') throw refused('method');
  checkAddress(request, context, settings);
  checkContentHeaders(request.headers);
  for (const [name, expected] of settings.requiredHeaders) {
    const value = request.headers.get(name);
    if (value === null) throw refusedWithout(name);
    if (expected !== undefined && !sameText(value, expected)) throw refused('signature');
  }
}

function checkAddress(
  request: Request,
  context: RequestContext | undefined,
  settings: IngressSettings,
): void {
  const { allow, trustedHops } = settings;
  if (allow === undefined) return;
  const address =
    trustedHops > 0
      ? forwardedAddress(request.headers.get('x-forwarded-for'), trustedHops)
      : peerOf(request, context, settings);
  if (address === undefined || !isInRanges(address, allow)) throw refused('address');
}

/** Where nobody can tell the address the handler is mounted wrongly: that is no fault of the sender's. */
function peerOf(
  request: Request,
  context: RequestContext | undefined,
  { remoteAddress }: IngressSettings,
): string {
  const address = remoteAddress === undefined ? context?.remoteAddress : told(() => remoteAddress(request));
  if (typeof address === 'string') return address;
  throw new TypeError(
    'allow needs an address: give remoteAddress or trustedHops, or mount with toNodeHandler',
  );
}

function told(remoteAddress: () => unknown): string | undefined {
  try {
    return readText(remoteAddress());
  } catch (cause) {
    throw new HostCodeError('remoteAddress', { cause });
  }
}

/** What is sent on carries no `content-encoding`: encoded bytes would be read as they are. */
function checkContentHeaders(headers: Headers): void {
  if (!LENGTH.test(headers.get('content-length') ?? '0')) throw refused('length');
  if ((headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity') throw refused('encoding');
  contentTypeOf(headers);
}

/** The content type to publish with. Throws a `Refusal` where it is malformed. */
export function contentTypeOf(headers: Headers): string {
  try {
    return checkContentType('content-type', headers.get('content-type') ?? UNNAMED_BYTES, InvalidInputError);
  } catch {
    throw refused('content-type');
  }
}
