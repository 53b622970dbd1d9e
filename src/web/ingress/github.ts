import { sameText } from './comparing.ts';
import { parsedJson, textField } from './content.ts';
import type { IngressRequest, IngressVerifier } from './message.ts';
import { hexHmac, readOptions, readSharedSecrets, type SharedSecrets } from './secrets.ts';

/** How webhooks of GitHub are verified. */
export type GithubOptions = SharedSecrets;

const FORM = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;

/**
 * Verifies the header `x-hub-signature-256`: `sha256=` and the HMAC-SHA256 of the body in hex
 * (https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries). The id is `x-github-delivery`, the type `github.`,
 * `x-github-event` and the payload's `action`, such as `github.pull_request.opened` or `github.push`; the payload may be JSON or in a form.
 * GitHub signs the body alone: neither these headers nor a time, so that who sees a request can send its body again under another
 * id. Throws `TypeError` or `RangeError` naming the option that is wrong.
 */
export function github(options: GithubOptions): IngressVerifier {
  const secrets = readSharedSecrets(readOptions(options, ['secret', 'secrets']));
  return (request) => {
    const { headers, body } = request;
    const signature = headers.get('x-hub-signature-256') ?? '';
    if (!secrets.some((secret) => sameText(signature, `sha256=${hexHmac(secret, '', body)}`))) return false;
    return { id: headers.get('x-github-delivery') || undefined, type: typeOf(request), source: 'github' };
  };
}

function typeOf(request: IngressRequest): string | undefined {
  const event = request.headers.get('x-github-event');
  if (event === null || event === '') return undefined;
  const action = textField(parsedJson(payloadOf(request)), 'action');
  return ['github', event, ...(action === undefined ? [] : [action])].join('.');
}

function payloadOf({ headers, body }: IngressRequest): Uint8Array {
  if (!FORM.test(headers.get('content-type') ?? '')) return body;
  const form = new URLSearchParams(Buffer.from(body).toString());
  return Buffer.from(form.get('payload') ?? '');
}
