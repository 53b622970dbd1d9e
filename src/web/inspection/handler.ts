import type { Clock } from '../../clock.ts';
import { misuse, plainObject } from '../../domain/check.ts';
import { quote } from '../../errors.ts';
import { checkClock, hook, report } from '../host.ts';
import type { Call } from './actions.ts';
import type { Inspectable } from './face.ts';
import { isJson, readFields, readQuery } from './input.ts';
import { answerTo, refused } from './refusal.ts';
import { findRoute, type Route } from './routes.ts';
import { type Authorize, isResponse, readAccess } from './scope.ts';

/** How a surehook is inspected over HTTP. */
export interface InspectionOptions {
  /** Says who asks and what they may see. Required: nothing is answered without it. */
  readonly authorize: Authorize;
  /** The whole path in front of `/v1` as the server gets it, whatever a mount takes off, such as `/hooks-admin`. @default '' */
  readonly basePath?: string;
  /** Hears the cause of every answer from 500 on, which tells nothing itself. What it throws is ignored. @default none */
  readonly onError?: (error: unknown) => void;
  /** What spans such as `since=1h` are counted back from. @default systemClock */
  readonly clock?: Clock;
}

interface Checked extends Required<Omit<InspectionOptions, 'onError'>> {
  readonly surehook: Inspectable;
}

/**
 * The inspection API, to be mounted in any server of Web-standard requests, and by `toNodeHandler` in those of `node:http`: the delivery log, replays,
 * webhooks and their health, as JSON. It never shows a secret and makes none. Throws `TypeError` or `RangeError` for a wrong option; the handler never rejects.
 *
 * A POST without a body needs no content type. One that the browser says comes from another site needs `content-type: application/json`, for which
 * the browser asks the host first. An `authorize` that goes by cookies is safe by that where browsers send `sec-fetch-site`: over https.
 */
export function inspectionHandler(
  surehook: Inspectable,
  options: InspectionOptions,
): (request: Request) => Promise<Response> {
  const { onError, ...checked } = checkOptions(options);
  return async (request) => {
    try {
      return await respond(request, { ...checked, surehook });
    } catch (thrown) {
      const answer = answerTo(thrown);
      if (answer.status >= 500) report(thrown, onError);
      return withoutBodyFor(request, answer);
    }
  };
}

async function respond(request: Request, { authorize, ...host }: Checked): Promise<Response> {
  const said: unknown = await authorize(request);
  if (isResponse(said)) return said;
  const { face, readOnly } = readAccess(said, host.surehook);
  const { pathname, searchParams } = new URL(request.url);
  const { route, id } = findRoute(request.method, pathname, host.basePath);
  if (route.method === 'POST') checkChange(request, readOnly);
  const query = readQuery(searchParams, route);
  const body = await bodyOf(request, route, host.clock);
  const call: Call = { face, id, query, body, now: host.clock.now() };
  return withoutBodyFor(request, await route.run(call));
}

async function bodyOf(request: Request, route: Route, clock: Clock): Promise<Call['body']> {
  return route.method === 'POST' ? await readFields(request, route, clock) : {};
}

function checkChange(request: Request, readOnly: boolean): void {
  if (readOnly) throw forbidden('Nothing may be changed');
  const site = request.headers.get('sec-fetch-site') ?? 'none';
  if (site !== 'none' && site !== 'same-origin' && !isJson(request)) {
    throw forbidden('A request from another site must be application/json');
  }
}

function forbidden(message: string): Error {
  return refused(403, { code: 'forbidden', message });
}

function withoutBodyFor({ method }: Request, answer: Response): Response {
  return method === 'HEAD' ? new Response(null, answer) : answer;
}

function checkOptions(
  options: InspectionOptions,
): Omit<Checked, 'surehook'> & { readonly onError: InspectionOptions['onError'] } {
  const keys = ['authorize', 'basePath', 'onError', 'clock'] as const;
  const given = plainObject('the options', options, { keys, path: '', refuse: misuse });
  const authorize = hook<Authorize>('authorize', given.authorize);
  if (authorize === undefined) throw new TypeError('authorize is required: it says who may see what');
  return {
    authorize,
    basePath: checkBasePath(given.basePath ?? ''),
    onError: hook('onError', given.onError),
    clock: checkClock(given.clock),
  };
}

function checkBasePath(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`basePath must be a string, not ${quote(value)}`);
  // As it comes out of a URL: no dots to resolve, nothing to be encoded, no query.
  const isPath = !value.endsWith('/') && URL.parse(`http://host${value}`)?.pathname === value;
  if (value === '' || isPath) return value;
  throw new RangeError(`basePath must be '' or a path such as "/hooks-admin", not ${quote(value)}`);
}
