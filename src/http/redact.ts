import { placesOf, unescaped } from './escapes.ts';

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
    masked[name] = isCredential(name) || names.includes(name) ? MASK : (headers[name] ?? '');
  }
  return masked;
}

/** The values that `maskHeaders` hides. */
export function credentialsIn(headers: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) => (isCredential(name) ? [value] : []));
}

/** Whether the name of a header, in any case, tells that its value is a credential or a signature. */
export function isCredential(name: string): boolean {
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

/** The values in a URL's query, as written and as decoded: they may be tokens, and an answer often repeats the URL. None where it is no URL. */
export function tokensIn(url: string): readonly string[] {
  const parsed = URL.parse(url);
  if (parsed === null) return [];
  const { search, searchParams } = parsed;
  const parameters = search.slice(1).split('&');
  const written = parameters.map((parameter) => parameter.slice(parameter.indexOf('=') + 1));
  return [...written, ...searchParams.values()];
}

/** Shorter texts are no secrets, and replacing them would garble what is left. */
const MIN_SECRET_LENGTH = 8;

/**
 * A text (a response body, an error message) without our secrets in it. Give signing secrets, values of `webhook-signature`
 * and of credential headers whole: their parts (the base64 after `whsec_`, `whsk_` or `v1,`, the token after `Bearer`) are found too, as are those
 * of which characters are escaped as in JSON, URLs or HTML, and a secret that the end of the text cuts short.
 */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return maskParts(text, secretParts(secrets));
}

/** The parts of secrets that `maskParts` looks for: made once where they are used often. */
export function secretParts(secrets: readonly string[]): readonly string[] {
  const parts = secrets
    .flatMap((secret) => secret.split(/[\s,;]+/))
    .map((part) => part.replace(/^wh(?:sec|sk)_/, ''));
  // Of a cookie or a parameter the value by itself too: `sid=…`, `token="…"`.
  const values = parts.map((part) => part.replace(/^[\w-]+=(?==*[^=])"?|"$/g, ''));
  return [...new Set([...parts, ...values])].filter((part) => part.length >= MIN_SECRET_LENGTH);
}

/** `maskSecrets` for parts that were taken apart before. */
export function maskParts(text: string, parts: readonly string[]): string {
  if (text.length < MIN_SECRET_LENGTH) return text;
  const masked = replaced(text, spansOf(text, parts));
  return /[%\\&]/.test(masked) ? maskEscaped(masked, parts) : masked;
}

function maskEscaped(text: string, parts: readonly string[]): string {
  const plain = unescaped(text);
  const spans = plain === text ? [] : spansOf(plain, parts);
  if (spans.length === 0) return text;
  const places = placesOf(text);
  const placeOf = (index: number): number => places[index] ?? text.length;
  return replaced(
    text,
    spans.map(([start, end]) => [placeOf(start), placeOf(end)]),
  );
}

/** From the first character of what is to be hidden to the one behind it. */
type Span = readonly [start: number, end: number];

function spansOf(text: string, parts: readonly string[]): readonly Span[] {
  const spans: Span[] = [];
  for (const part of parts) if (part.length >= MIN_SECRET_LENGTH) addSpans(spans, text, part);
  return spans.sort(([a], [b]) => a - b);
}

/** Where a part is, and at the end of the text a beginning of it; its head may recur within it. */
function addSpans(spans: Span[], text: string, part: string): void {
  const head = part.slice(0, MIN_SECRET_LENGTH);
  let next = 0;
  for (let at = text.indexOf(head); at >= 0; at = text.indexOf(head, next)) {
    const isWhole = text.startsWith(part, at);
    if (isWhole || part.startsWith(text.slice(at)))
      spans.push([at, isWhole ? at + part.length : text.length]);
    next = isWhole ? at + part.length : at + 1;
  }
}

/** The text with every span as one mask; of those that overlap there is one. */
function replaced(text: string, spans: readonly Span[]): string {
  if (spans.length === 0) return text;
  let masked = '';
  let done = 0;
  for (const [start, end] of spans) {
    if (start >= done) masked += text.slice(done, start) + MASK;
    done = Math.max(done, end);
  }
  return masked + text.slice(done);
}
