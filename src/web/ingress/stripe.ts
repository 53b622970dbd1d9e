import { sameText } from './comparing.ts';
import { parsedJson, textField } from './content.ts';
import type { IngressVerifier } from './message.ts';
import { hexHmac, readOptions, readSharedSecrets, type SharedSecrets } from './secrets.ts';
import { checkTolerance, isTimely } from './signed-at.ts';

/** How webhooks of Stripe are verified. */
export type StripeOptions = SharedSecrets & {
  /** How far the timestamp may be from now, before or after, in ms. @default 300_000 */
  readonly toleranceMs?: number | undefined;
};

/** More parts than that are not looked at. */
const MAX_PARTS = 12;

/**
 * Verifies the header `stripe-signature`: `t=` epoch seconds, then `v1=` HMAC-SHA256 in hex of `t.body`, once for each active secret
 * (https://docs.stripe.com/webhooks#verify-manually). The secret is used as it is shown, `whsec_` included. Id and type are those of the
 * body. Throws `TypeError` or `RangeError` naming the option that is wrong.
 */
export function stripe(options: StripeOptions): IngressVerifier {
  const given = readOptions(options, ['secret', 'secrets', 'toleranceMs']);
  const secrets = readSharedSecrets(given);
  const toleranceMs = checkTolerance(given.toleranceMs);
  return ({ headers, body, now }) => {
    const parts = (headers.get('stripe-signature') ?? '').split(',', MAX_PARTS).map((part) => part.trim());
    const [seconds = '', ...more] = valuesOf(parts, 't=');
    if (more.length > 0 || !isTimely(seconds, now, toleranceMs)) return false;
    const signatures = valuesOf(parts, 'v1=');
    const isSigned = secrets.some((secret) => {
      const expected = hexHmac(secret, `${seconds}.`, body);
      return signatures.some((signature) => sameText(signature, expected));
    });
    if (!isSigned) return false;
    const event = parsedJson(body);
    return { id: textField(event, 'id'), type: textField(event, 'type'), source: 'stripe' };
  };
}

function valuesOf(parts: readonly string[], prefix: string): readonly string[] {
  return parts.filter((part) => part.startsWith(prefix)).map((part) => part.slice(prefix.length));
}
