import type { AttemptRecord, DeliveryRecord, Repos } from '../../src/index.ts';
import { typeOf } from './protocol.ts';
import type { Endpoint, Receipt } from './receiver.ts';

/** What a run leaves to be judged. */
export interface Evidence {
  readonly repos: Repos;
  /** Endpoints by the id of their webhook. */
  readonly webhooks: ReadonlyMap<string, Endpoint>;
  readonly receipts: readonly Receipt[];
  /** Ids of the events that somebody was told are stored. */
  readonly acknowledged: ReadonlySet<string>;
}

/** What was found. */
export interface Findings {
  events: number;
  deliveries: number;
  attempts: number;
  lost: number;
  late: number;
  /** Receipts after a 2xx, each of them explained where there is no violation. */
  duplicates: number;
  /** At-most-once deliveries that were given up. */
  givenUp: number;
  readonly violations: string[];
}

const PAGE = 1_000;

/** Holds what the store says and what the endpoints got against each other. */
export async function audit(evidence: Evidence): Promise<Findings> {
  const findings: Findings = {
    events: 0,
    deliveries: 0,
    attempts: 0,
    lost: 0,
    late: 0,
    duplicates: 0,
    givenUp: 0,
    violations: [],
  };
  const receipts = byDelivery(evidence);
  const heard = new Map<string, Set<string>>();
  for await (const delivery of allDeliveries(evidence.repos)) {
    const key = keyOf(delivery.eventId, delivery.webhookId);
    const webhooks = heard.get(delivery.eventId) ?? new Set();
    heard.set(delivery.eventId, webhooks);
    if (webhooks.has(delivery.webhookId)) findings.violations.push(`two deliveries of ${key}`);
    webhooks.add(delivery.webhookId);
    const endpoint = evidence.webhooks.get(delivery.webhookId);
    if (endpoint === undefined) {
      findings.violations.push(`${delivery.id} is for a webhook that nobody made`);
      continue;
    }
    const attempts = await evidence.repos.events.attempts(delivery.id);
    judge({ delivery, endpoint, attempts, receipts: receipts.get(key) ?? [] }, findings);
    receipts.delete(key);
  }
  for (const key of receipts.keys()) findings.violations.push(`a receipt of ${key}, which is not stored`);
  judgeEvents(evidence, heard, findings);
  return findings;
}

/** No acknowledged event is lost, and no event is stored in part. */
function judgeEvents(
  { acknowledged, webhooks }: Evidence,
  heard: ReadonlyMap<string, ReadonlySet<string>>,
  findings: Findings,
): void {
  findings.events = heard.size;
  for (const id of acknowledged) {
    if (!heard.has(id)) findings.violations.push(`the acknowledged event ${id} is lost`);
  }
  for (const [id, of] of heard) {
    const subscribed = [...webhooks.values()].filter(
      ({ events }) => events === undefined || events === typeOf(id),
    );
    if (of.size !== subscribed.length) {
      findings.violations.push(`event ${id} has ${of.size} deliveries, not ${subscribed.length}`);
    }
  }
}

function keyOf(event: string, webhookId: string): string {
  return `${event} ${webhookId}`;
}

function byDelivery({ receipts, webhooks }: Evidence): Map<string, Receipt[]> {
  const ids = new Map([...webhooks].map(([id, { path }]) => [path, id]));
  const found = new Map<string, Receipt[]>();
  for (const receipt of receipts) {
    const key = keyOf(receipt.event, ids.get(receipt.path) ?? '');
    const others = found.get(key);
    if (others === undefined) found.set(key, [receipt]);
    else others.push(receipt);
  }
  return found;
}

async function* allDeliveries(repos: Repos): AsyncGenerator<DeliveryRecord> {
  for (let page = await repos.events.listDeliveries({ limit: PAGE }); ; ) {
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    const { createdAt, id } = last;
    page = await repos.events.listDeliveries({ limit: PAGE, after: { createdAt, id } });
  }
}

/** One delivery: as it is stored, and as its endpoint saw it, in the order of arrival. */
interface Case {
  readonly delivery: DeliveryRecord;
  readonly endpoint: Endpoint;
  readonly attempts: readonly AttemptRecord[];
  readonly receipts: readonly Receipt[];
}

/** What the endpoint's answer was, as the store has it. */
function isOk(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status <= 299;
}

function isLost(attempt: AttemptRecord): boolean {
  return attempt.error?.kind === 'lost';
}

function judge(evidence: Case, findings: Findings): void {
  const { delivery, attempts } = evidence;
  findings.deliveries += 1;
  findings.attempts += attempts.length;
  findings.lost += attempts.filter(isLost).length;
  findings.late += attempts.filter(({ late }) => late).length;
  if (delivery.reason !== undefined) findings.givenUp += 1;
  const wrong = [...wrongState(evidence), ...wrongAttempts(evidence), ...wrongReceipts(evidence, findings)];
  if (wrong.length > 0) findings.violations.push(`${wrong.join('; ')}\n${story(evidence)}`);
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

/** Every receipt is an attempt, and what the store says was answered was answered. */
function* wrongReceipts({ endpoint, attempts, receipts }: Case, findings: Findings): Generator<string> {
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
    if (earlier.length > 0) findings.duplicates += 1;
    const isOfLostClaim = attempt !== undefined && (isLost(attempt) || attempt.late);
    if (!isOfLostClaim && earlier.some((one) => wasSettledWell(one.attempt))) {
      yield `a receipt under token ${token} after the delivery had ended`;
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

/** Then nothing explains a further request, but one of a claim that was lost before. */
function wasSettledWell(attempt: AttemptRecord | undefined): boolean {
  return attempt !== undefined && isOk(attempt.httpStatus) && !attempt.late;
}

/** A violation in full: what one needs to find its cause. */
function story({ delivery, endpoint, attempts, receipts }: Case): string {
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
