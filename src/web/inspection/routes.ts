import * as actions from './actions.ts';
import { refused } from './refusal.ts';

/** One thing that can be asked for. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** `:id` stands for any one segment. */
  readonly path: readonly string[];
  /** The only query parameters it knows. */
  readonly query: readonly string[];
  /** The only fields that its body may have. */
  readonly fields: readonly string[];
  readonly run: actions.Action;
}

const page = ['tenantId', 'cursor', 'limit'] as const;
const filter = ['tenantId', 'webhookId', 'eventType', 'since', 'until'] as const;

/** Earlier ones come first: `replay` of many is not the delivery of that id. */
const routes: readonly Route[] = [
  get('deliveries', actions.listDeliveries, [...filter, 'status', 'cursor', 'limit']),
  get('deliveries/:id', actions.getDelivery),
  get('deliveries/:id/attempts', actions.listAttempts),
  post('deliveries/replay', actions.replayMany, [...filter, 'reason', 'dryRun']),
  post('deliveries/:id/replay', actions.replay),
  post('deliveries/:id/resend', actions.resend),
  post('deliveries/:id/cancel', actions.cancel),
  get('explain', actions.explain, ['eventId', 'webhookId']),
  get('webhooks', actions.listWebhooks, page),
  get('webhooks/:id', actions.getWebhook),
  get('webhooks/:id/health', actions.getHealth, ['window']),
  post('webhooks/:id/enable', actions.enable),
  post('webhooks/:id/disable', actions.disable),
  post('webhooks/:id/test', actions.sendTest),
];

function get(path: string, run: actions.Action, query: readonly string[] = []): Route {
  return { method: 'GET', path: path.split('/'), query, fields: [], run };
}

function post(path: string, run: actions.Action, fields: readonly string[] = []): Route {
  return { method: 'POST', path: path.split('/'), query: [], fields, run };
}

/** A route, and what its `:id` is. */
export interface Match {
  readonly route: Route;
  readonly id: string;
}

/** Finds the route of a request: throws the 404, 405 or 400 where there is none. `HEAD` is a `GET`. */
export function findRoute(method: string, pathname: string, basePath: string): Match {
  const asked = method === 'HEAD' ? 'GET' : method;
  const segments = segmentsOf(pathname, `${basePath}/v1/`);
  const there = routes.filter(({ path }) => fits(path, segments));
  const route = there.find((one) => one.method === asked);
  if (route !== undefined) return { route, id: decoded(segments[route.path.indexOf(':id')] ?? '') };
  if (there.length === 0) throw refused(404, { code: 'not-found', message: 'There is no such route' });
  const allow = there.map((one) => (one.method === 'GET' ? 'GET, HEAD' : one.method)).join(', ');
  throw refused(405, { code: 'method-not-allowed', message: `This route has ${allow} only` }, { allow });
}

function segmentsOf(pathname: string, start: string): readonly string[] {
  return pathname.startsWith(start) ? pathname.slice(start.length).split('/') : [];
}

/** An empty id is none: what asks for it made a mistake, and must not get a listing. */
function fits(path: readonly string[], segments: readonly string[]): boolean {
  return (
    path.length === segments.length &&
    path.every((part, at) => (part === ':id' ? segments[at] !== '' : part === segments[at]))
  );
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    const message = 'The path must be percent-encoded UTF-8';
    throw refused(400, { code: 'invalid-input', message, field: 'id' });
  }
}
