import type { AttemptRecord, DeliveryRecord } from '../../src/index.ts';
import type { Endpoint } from './endpoints.ts';
import type { Receipt } from './receiver.ts';

/** One delivery: as it is stored, and as its endpoint saw it, in the order of arrival. */
export interface Case {
  readonly delivery: DeliveryRecord;
  readonly endpoint: Endpoint;
  readonly attempts: readonly AttemptRecord[];
  readonly receipts: readonly Receipt[];
}

/** What is wrong with one delivery, and what explains each receipt that came after a 2xx. */
export interface Verdict {
  readonly wrong: readonly string[];
  readonly causes: readonly string[];
}

/** Whether the attempt is one that nobody recorded. */
export function isLost(attempt: AttemptRecord): boolean {
  return attempt.error?.kind === 'lost';
}

function isOk(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status <= 299;
}

/** Judges one delivery. */
export function judge(evidence: Case): Verdict {
  const causes: string[] = [];
  const wrong = [...wrongState(evidence), ...wrongAttempts(evidence), ...wrongReceipts(evidence, causes)];
  return { wrong, causes };
}

/** Where it ended, and whether one claim, the last, brought it there. */
function* wrongState({ delivery, endpoint, attempts }: Case): Generator<string> {
  const { status, reason, token, leaseUntil } = delivery;
  const isAllowed =
    status === 'delivered' ||
    (endpoint.semantics === 'at-most-once' &&
      (reason === 'outcome-unknown' || reason === 'at-most-once-failed'));
  if (!isAllowed) yield `it is ${status} ${reason ?? ''}`;
  if (leaseUntil !== undefined) yield 'it is still leased';
  const successes = attempts.filter(({ httpStatus, late }) => isOk(httpStatus) && !late);
  if (successes.length !== (status === 'delivered' ? 1 : 0)) {
    yield `it is ${status} by ${successes.length} attempts`;
  }
  if (status === 'delivered' && successes[0]?.token !== token) {
    yield `it was delivered under token ${successes[0]?.token} and claimed again: its token is ${token}`;
  }
}

function* wrongAttempts({ delivery, attempts }: Case): Generator<string> {
  if (attempts.some(({ number }, index) => number !== index + 1))
    yield 'its attempts are not numbered 1, 2, 3';
  if (delivery.attempts !== attempts.length) yield `it counts ${delivery.attempts} attempts`;
  const tokens = new Set(attempts.map(({ token }) => token));
  if (tokens.size !== attempts.length) yield 'two attempts have one token';
  if (attempts.some(({ token }) => token < 1 || token > delivery.token))
    yield 'an attempt has a token of no claim';
  const byToken = attempts.toSorted((a, b) => a.token - b.token);
  for (const [index, attempt] of byToken.entries()) {
    const before = byToken[index - 1];
    // A lost attempt lasted as long as its lease: nobody can have sent anything under a later claim before its end.
    const least = before === undefined ? 0 : before.startedAt + (isLost(before) ? before.durationMs : 0);
    if (attempt.startedAt < least)
      yield `the attempt of token ${attempt.token} began before that claim was made`;
  }
  const tries = attempts.filter(({ counted, late }) => counted && !late).length;
  if (delivery.tries !== tries) yield `it counts ${delivery.tries} tries, not ${tries}`;
  const lost = attempts.filter((attempt) => isLost(attempt) || attempt.late).length;
  if (delivery.lost !== lost) yield `it counts ${delivery.lost} lost claims, not ${lost}`;
}

/** Every receipt is an attempt, what the store says was answered was answered, and what came after a 2xx has its cause. */
function* wrongReceipts({ endpoint, attempts, receipts }: Case, causes: string[]): Generator<string> {
  const byToken = new Map(attempts.map((attempt) => [attempt.token, attempt]));
  const seen = new Set<number>();
  /** Those answered with 2xx so far. */
  const taken: { readonly attempt: AttemptRecord | undefined; readonly at: number }[] = [];
  for (const { token, isWhole, at, answer } of receipts) {
    const attempt = byToken.get(token);
    if (!isWhole) yield 'its body was another one';
    if (attempt === undefined) yield `a receipt under token ${token}, of which there is no attempt`;
    if (seen.has(token)) yield `two receipts under token ${token}`;
    seen.add(token);
    const status = attempt?.httpStatus ?? 0;
    if (status !== 0 && status !== answer?.status) {
      yield `token ${token} was answered ${answer?.status}, but ${status} is stored`;
    }
    const earlier = taken.filter((one) => one.at <= at);
    if (earlier.length > 0) {
      const cause = causeOf(
        earlier.map((one) => one.attempt),
        attempt,
      );
      if (cause === undefined) yield `a receipt under token ${token} after the delivery had ended`;
      else causes.push(cause);
    }
    if (answer !== undefined && isOk(answer.status)) taken.push({ attempt, at: answer.at });
  }
  if (endpoint.semantics === 'at-most-once' && receipts.length > 1) {
    yield `at-most-once, and received ${receipts.length} times`;
  }
  for (const { token, httpStatus, responseBody } of attempts) {
    // An answer carries the token of its request.
    if (responseBody !== '' && responseBody !== String(token)) {
      yield `the attempt of token ${token} holds the answer to token ${responseBody}`;
    }
    if (httpStatus !== 0 && !seen.has(token))
      yield `token ${token} has an answer to a request that nobody got`;
  }
  if (receipts.length > attempts.length) yield `${receipts.length} receipts, ${attempts.length} attempts`;
}

/** What the store has logged that explains a request after these were answered with 2xx; undefined: nothing does. */
function causeOf(
  answered: readonly (AttemptRecord | undefined)[],
  attempt: AttemptRecord | undefined,
): string | undefined {
  const unsettled = answered.map(whyUnsettled);
  const settled = unsettled.indexOf(undefined);
  if (settled < 0) return unsettled[0];
  // Then it can only have been sent under a claim that was lost before the delivery ended.
  return attempt !== undefined && whyUnsettled(attempt) !== undefined
    ? 'sent under a claim that had been lost'
    : undefined;
}

/** Why a 2xx did not end the delivery, as the store has logged it; undefined where it did. */
function whyUnsettled(attempt: AttemptRecord | undefined): string | undefined {
  if (attempt === undefined) return undefined;
  if (attempt.late) return 'its outcome came too late';
  if (isLost(attempt)) return 'its outcome was lost';
  return isOk(attempt.httpStatus) ? undefined : `recorded as ${attempt.error?.kind ?? attempt.httpStatus}`;
}

/** A case in full: what one needs to find the cause of a violation. */
export function story({ delivery, endpoint, attempts, receipts }: Case): string {
  const rows = attempts.map(
    ({ number, token, startedAt, durationMs, httpStatus, error, late }) =>
      `    attempt ${number}: token ${token}, from ${startedAt} for ${durationMs} ms, HTTP ${httpStatus}${error ? `, ${error.kind}` : ''}${late ? ', late' : ''}`,
  );
  const seen = receipts.map(
    ({ token, worker, at, answer }) =>
      `    receipt: token ${token} of ${worker} at ${at}, ${answer ? `answered ${answer.status} at ${answer.at}` : 'not answered'}`,
  );
  const { eventId, status, reason, token, lost, tries } = delivery;
  const head = `  ${eventId} for ${endpoint.path}: ${status} ${reason ?? ''} token ${token} tries ${tries} lost ${lost}`;
  return [head, ...rows, ...seen].join('\n');
}
