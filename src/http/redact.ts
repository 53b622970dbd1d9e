const MASK = '***';

/** Parts of header names that tell a value is worth hiding. */
const tellingParts: readonly string[] = ['auth', 'cookie', 'key', 'password', 'secret', 'signature', 'token'];

/** Has `key` in its name but is no secret, and is what one looks for in an attempt. */
const harmlessName = 'idempotency-key';

/** Verdicts by name, because the same few names come with every request. */
const verdicts = new Map<string, boolean>();
const MAX_VERDICTS = 1000;

/**
 * A request's headers as they are stored with an attempt: values of headers that carry credentials or signatures become `***`,
 * those of `names` (in lower case) too.
 */
export function maskHeaders(
  headers: Readonly<Record<string, string>>,
  names: readonly string[] = [],
): Readonly<Record<string, string>> {
  const masked: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    masked[name] = isTelling(name) || names.includes(name) ? MASK : (headers[name] ?? '');
  }
  return masked;
}

function isTelling(name: string): boolean {
  const known = verdicts.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  const verdict = lower !== harmlessName && tellingParts.some((part) => lower.includes(part));
  if (verdicts.size >= MAX_VERDICTS) verdicts.clear();
  verdicts.set(name, verdict);
  return verdict;
}

/** A canonical URL fit for logs, errors and attempt rows: the values of its query are `***`, and a part without a name is hidden whole. */
export function redactUrl(url: string): string {
  const start = url.indexOf('?');
  if (start < 0) return url;
  const query = url.slice(start + 1).split('#', 1)[0] ?? '';
  return `${url.slice(0, start + 1)}${query.split('&').map(maskParameter).join('&')}`;
}

function maskParameter(parameter: string): string {
  const equals = parameter.indexOf('=');
  if (equals < 0) return parameter === '' ? '' : MASK;
  return `${parameter.slice(0, equals + 1)}${MASK}`;
}

/** Shorter texts are no secrets, and replacing them would garble what is left. */
const MIN_SECRET_LENGTH = 8;

/**
 * A text (a response body, an error message) without our secrets in it. Give signing secrets, values of `webhook-signature`
 * and of credential headers whole: their parts (the base64 after `whsec_`, `whsk_` or `v1,`, the token after `Bearer`) are found too, as are the escaped forms that JSON
 * writers make of `/` and `+`, and a secret that the end of the text cuts short.
 */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return maskParts(text, secretParts(secrets));
}

/** The parts of secrets that `maskParts` looks for: made once where they are used often. */
export function secretParts(secrets: readonly string[]): readonly string[] {
  const parts = secrets
    .flatMap((secret) => secret.split(/[\s,]+/))
    .map((part) => part.replace(/^wh(?:sec|sk)_/, ''));
  return parts.filter((part) => part.length >= MIN_SECRET_LENGTH);
}

/** `maskSecrets` for parts that were taken apart before. */
export function maskParts(text: string, parts: readonly string[]): string {
  if (text.length < MIN_SECRET_LENGTH) return text;
  const escapes = text.includes('\\');
  let masked = text;
  for (const part of parts) {
    if (part.length < MIN_SECRET_LENGTH) continue;
    masked = maskExact(masked, part);
    if (!escapes) continue;
    if (part.includes('/')) masked = maskExact(masked, part.replaceAll('/', '\\/'));
    if (part.includes('+')) masked = maskExact(masked, part.replaceAll('+', '\\u002B'));
  }
  return masked;
}

function maskExact(text: string, part: string): string {
  const head = part.slice(0, MIN_SECRET_LENGTH);
  if (!text.includes(head)) return text;
  const masked = text.replaceAll(part, MASK);
  // A beginning of the secret that the end of the text cuts short; its head may recur within it.
  for (let cut = masked.indexOf(head); cut >= 0; cut = masked.indexOf(head, cut + 1)) {
    if (part.startsWith(masked.slice(cut))) return masked.slice(0, cut) + MASK;
  }
  return masked;
}
