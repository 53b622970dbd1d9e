import type { Settlement } from '../repos.ts';
import { attemptText } from '../sql/attempt-columns.ts';
import { queueCodes, reasonCodes, statusCodes } from '../sql/codes.ts';

/** What becomes of deliveries, in columns. */
export function endsOf(items: readonly Settlement[]): unknown[] {
  return [...plainEndsOf(items), ...rareEndsOf(items)];
}

/** The columns of `applyPlain`. */
export function plainEndsOf(items: readonly Settlement[]): unknown[] {
  return [
    items.map(({ next }) => (next.status === 'waiting' ? statusCodes.pending : statusCodes[next.status])),
    items.map(({ next }) => (next.status === 'exhausted' ? reasonCodes[next.reason] : null)),
    items.map(({ next }) => (next.status === 'waiting' ? Math.round(next.dueAt) : null)),
    items.map(({ next }) => (next.status === 'waiting' ? queueCodes[next.queue] : null)),
    items.map(({ attempt }) => (attempt?.counted ? 1 : 0)),
    items.map(({ attempt }) => (attempt === undefined ? null : attemptText(attempt))),
  ];
}

/** The claims that end. */
export function claimsOf(items: readonly Settlement[]): unknown[] {
  return [items.map(({ deliveryId }) => deliveryId), items.map(({ token }) => token)];
}

/** The columns of what nearly all do not have, which are null where none has it. */
function rareEndsOf(items: readonly Settlement[]): unknown[] {
  const ends = items.map(({ next }) => next);
  const blocks = ends.map((next) => next.status === 'exhausted' && next.blocks === true);
  const batches = ends.map((next) => (next.status === 'waiting' ? next.batch : undefined));
  const isBatched = batches.some((batch) => batch !== undefined);
  return [
    blocks.includes(true) ? blocks : null,
    isBatched ? batches.map((batch) => batch?.id ?? null) : null,
    isBatched ? batches.map((batch) => batch?.size ?? null) : null,
    isBatched ? batches.map((batch) => batch?.refusals ?? null) : null,
  ];
}
