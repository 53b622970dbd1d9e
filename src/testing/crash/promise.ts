import type { AttemptRecord, DeliveryRecord } from '../../domain/delivery.ts';
import type { WebhookRecord } from '../../domain/webhook.ts';
import type { Receipt } from './endpoints.ts';
import type { Told } from './history.ts';

/** One delivery: what the store says of it, and what its endpoint saw. */
interface Case {
  readonly webhook: WebhookRecord;
  readonly delivery: DeliveryRecord;
  readonly attempts: readonly AttemptRecord[];
  readonly receipts: readonly Receipt[];
}

/** What a history shows of the promise to be broken; empty where it was kept. */
export async function brokenPromises(told: Told): Promise<readonly string[]> {
  const lost = await lostEvents(told);
  // What is not there cannot be looked at.
  if (lost.length > 0) return lost;
  const broken = told.isOver ? [] : await stuck(told);
  for (const one of await casesOf(told)) broken.push(...brokenFor(one, told));
  return [...broken, ...changedBytes(told), ...wrongOrder(told)];
}

/** Acknowledged is kept: each event, with one delivery for each webhook that was there to get it. */
async function lostEvents({ repos, acknowledged, scenario, webhooks, tenantId }: Told): Promise<string[]> {
  const lost: string[] = [];
  const known = await repos.events.getEvents(acknowledged.map(({ eventId }) => eventId));
  const stored = await repos.events.listDeliveries({ tenantId, limit: 1_000 });
  const isAlwaysOpen = !scenario.steps.some((step) => step.do === 'disable');
  for (const { eventId, deliveries } of acknowledged) {
    if (!known.some(({ id }) => id === eventId)) lost.push(`the acknowledged event ${eventId} is lost`);
    const targets = new Set(deliveries.map(({ webhookId }) => webhookId));
    if (targets.size !== deliveries.length) lost.push(`${eventId} has two deliveries for one webhook`);
    if (isAlwaysOpen && targets.size !== webhooks.length)
      lost.push(
        `${eventId} was acknowledged with ${targets.size} deliveries for ${webhooks.length} webhooks`,
      );
    for (const { id } of deliveries)
      if (!stored.some((one) => one.id === id)) lost.push(`the delivery ${id} of ${eventId} is lost`);
  }
  const count = acknowledged.reduce((sum, { deliveries }) => sum + deliveries.length, 0);
  if (lost.length === 0 && stored.length > count)
    lost.push(`${stored.length} deliveries are stored, ${count} were acknowledged`);
  return lost;
}

async function stuck({ repos, webhooks, acknowledged }: Told): Promise<string[]> {
  const ids = acknowledged.flatMap(({ deliveries }) => deliveries.map(({ id }) => id));
  const waiting = (await repos.events.getDeliveries(ids)).filter(
    ({ completedAt }) => completedAt === undefined,
  );
  const webhookIds = webhooks.map(({ id }) => id);
  const states = (await repos.webhooks.getMany(webhookIds)).map(
    ({ id, status }) => `${id} is ${status.state}`,
  );
  const open = (await repos.state.get(webhookIds)).map(({ webhookId }) => webhookId);
  return [
    `it does not come to an end: waiting ${waiting.map(({ id, status, queue }) => `${id} (${status}, ${queue})`).join(', ') || 'none'}; ` +
      `webhooks ${states.join(', ')}; open queues ${open.join(', ') || 'none'}`,
  ];
}

async function casesOf({ repos, acknowledged, webhooks, receipts }: Told): Promise<Case[]> {
  const cases: Case[] = [];
  for (const { eventId, deliveries } of acknowledged) {
    for (const delivery of await repos.events.getDeliveries(deliveries.map(({ id }) => id))) {
      const webhook = webhooks.find(({ id }) => id === delivery.webhookId);
      if (webhook === undefined) continue;
      const own = receipts.filter((one) => one.webhookId === webhook.id && one.eventIds.includes(eventId));
      cases.push({
        webhook,
        delivery,
        attempts: await repos.events.attempts(delivery.id),
        receipts: own,
      });
    }
  }
  return cases;
}

function brokenFor({ webhook, delivery, attempts, receipts }: Case, { scenario, point }: Told): string[] {
  const { id, status, reason } = delivery;
  const accepted = receipts.filter((receipt) => receipt.accepted);
  const unsure = attempts.filter(({ late, error }) => late || error?.kind === 'lost');
  const untold = attempts.filter(
    ({ late, error }) => late || error?.kind === 'lost' || error?.kind === 'aborted',
  );
  const livesThatSucceeded = new Set(accepted.map(({ life }) => life));
  const rules: readonly [boolean, string][] = [
    [
      status !== 'delivered' || accepted.length > 0,
      'is stored as delivered, though its endpoint accepted nothing',
    ],
    [status !== 'exhausted' || scenario.mayGiveUp === true, `was given up (${reason})`],
    [
      webhook.delivery.semantics !== 'at-most-once' || receipts.length <= 1,
      `is at-most-once and was sent ${receipts.length} times`,
    ],
    [
      accepted.length - 1 <= untold.length,
      `was accepted ${accepted.length} times, of which the attempts that were lost, late or aborted explain ${untold.length}`,
    ],
    [livesThatSucceeded.size === accepted.length, 'was accepted twice by requests of one process'],
    [
      receipts.length <= attempts.length,
      `was sent ${receipts.length} times, and ${attempts.length} attempts are recorded`,
    ],
    [
      unsure.length <= maxUnsure(point),
      `has ${unsure.length} attempts that are lost or late, by ${point === undefined ? 0 : 1} crashes`,
    ],
  ];
  return rules.filter(([holds]) => !holds).map(([, complaint]) => `the delivery ${id} ${complaint}`);
}

/** No lease of a living process runs out; a claim that came late is held by nobody, and is lost as well. */
function maxUnsure(point: Told['point']): number {
  if (point === undefined) return 0;
  return point.phase === 'late' ? 2 : 1;
}

/** The same id is the same bytes: of an event, and of a batch. */
function changedBytes({ receipts }: Told): string[] {
  const bodies = new Map<string, string>();
  const changed: string[] = [];
  for (const { webhookId, id, body } of receipts) {
    const before = bodies.get(`${webhookId} ${id}`) ?? body;
    if (before !== body) changed.push(`the request ${id} was sent with other bytes than before`);
    bodies.set(`${webhookId} ${id}`, body);
  }
  return changed;
}

/** An ordered webhook sees no event of a key before the one published before it is through. */
function wrongOrder({ receipts, webhooks, acknowledged }: Told): string[] {
  const wrong: string[] = [];
  for (const { id, delivery } of webhooks) {
    if (!delivery.ordered) continue;
    for (const key of new Set(acknowledged.map(({ orderingKey }) => orderingKey))) {
      const line = acknowledged.filter((one) => one.orderingKey === key).map(({ eventId }) => eventId);
      const seen = receipts
        .filter(({ webhookId }) => webhookId === id)
        .flatMap(({ eventIds }) => eventIds.map((eventId) => line.indexOf(eventId)))
        .filter((place) => place >= 0);
      if (seen.some((place, index) => place < (seen[index - 1] ?? 0)))
        wrong.push(`${id} saw the events of ${key} in the order ${seen.join(', ')}`);
    }
  }
  return wrong;
}
