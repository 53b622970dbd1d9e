import assert from 'node:assert/strict';
import type { EventRepo, WebhookRepo, Work } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { only, rejectsWithConflict, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aDelivery, anEntry, anEvent, aWebhook, LONG_AGO_MS } from './records.ts';

/** The optional wake-ups: whoever has them must be believed. Without one, name its laws in `skip`. */
export const wakeUpLaws: readonly Law[] = lawsOf('wake-up', {
  'onWork tells of express deliveries': async (context) => {
    const heard = hearWork(context);
    await context.publish(1);
    await context.eventually(() => heard.some(({ express }) => express), 'express work');
  },

  'onWork tells of deliveries that are not due yet': async (context) => {
    const heard = hearWork(context);
    await context.publish(1, { dueAt: (await context.now()) + 3_600_000 });
    await context.eventually(() => heard.some(({ express }) => express), 'express work for later');
  },

  'onWork tells whose own queues got something': async (context) => {
    const heard = hearWork(context);
    const event = anEvent();
    const webhookIds = ['whk_a', 'whk_b'];
    const deliveries = webhookIds.map((webhookId) => aDelivery(event, { queue: 'own', webhookId }));
    await context.append({ event, deliveries });
    const named = (): Set<string> => new Set(heard.flatMap(({ ownQueues }) => ownQueues));
    await context.eventually(() => webhookIds.every((id) => named().has(id)), 'work of own queues');
  },

  'onWork tells of replays': async (context) => {
    const { id } = await context.exhausted();
    const heard = hearWork(context);
    await context.repos.events.markReplay([id], { now: await context.now() });
    await context.eventually(() => heard.some(({ replays }) => replays), 'replays');
  },

  'onWork tells whose line goes on because one of it was cancelled': async (context) => {
    const line = { queue: 'own', orderingKey: 'a' } as const;
    const waiting = only(await context.publish(1, { ...line, webhookId: 'whk_a' }));
    const dead = { status: 'exhausted', reason: 'attempts-used-up', completedAt: LONG_AGO_MS } as const;
    const blocker = only(await context.publish(1, { ...line, ...dead, webhookId: 'whk_b', blocks: true }));
    const express = only(await context.publish(1, { ...line, queue: 'express', webhookId: 'whk_c' }));
    const heard = hearWork(context);
    const now = await context.now();
    await context.repos.events.cancel([waiting.id, blocker.id, express.id], { now });
    const named = (): Set<string> => new Set(heard.flatMap(({ ownQueues }) => ownQueues));
    await context.eventually(() => named().size === 3, 'the queues of lines that go on');
    same([...named()].toSorted(), ['whk_a', 'whk_b', 'whk_c']);
  },

  'onWork tells of what can be read already': async (context) => {
    const found: Promise<number>[] = [];
    onWork(context)(() => {
      found.push(context.repos.events.listDeliveries({ limit: 9 }).then(({ length }) => length));
    });
    await context.publish(1);
    await context.eventually(() => found.length > 0, 'work');
    same(await found[0], 1);
  },

  'onWork tells nothing of what was refused, and nothing once it is ended': async (context) => {
    const entry = anEntry();
    await context.append(entry);
    const heard: Work[] = [];
    const end = onWork(context)((work) => heard.push(work));
    await context.publish(1, { webhookId: 'whk_before' });
    await context.eventually(() => heard.length > 0, 'work');
    heard.length = 0;
    const conflicting = { ...entry, event: { ...entry.event, fingerprint: 'other' } };
    await rejectsWithConflict(context.append(anEntry({ queue: 'own', webhookId: 'no' }), conflicting));
    end();
    const others = hearWork(context);
    await context.publish(1);
    await context.eventually(() => others.length > 0, 'work');
    same(heard, []);
  },

  'onWork shields the writer from a listener that throws, and other listeners too': async (context) => {
    onWork(context)(() => {
      throw new Error('a listener of the contract kit, thrown on purpose');
    });
    const heard = hearWork(context);
    assert.equal((await context.publish(1)).length, 1);
    await context.eventually(() => heard.length > 0, 'work');
  },

  'onChange tells of a status that was set, and of none that was not': async (context) => {
    const [a, b] = [aWebhook(), aWebhook()];
    await context.storeWebhooks(a, b);
    const heard: string[] = [];
    onChange(context)((ids) => heard.push(...ids));
    const [enabled, disabled] = [{ state: 'enabled' }, { state: 'disabled' }] as const;
    await context.repos.webhooks.setStatus([{ webhookId: a.id, from: disabled, to: enabled }]);
    await context.repos.webhooks.setStatus([{ webhookId: b.id, from: enabled, to: disabled }]);
    await context.eventually(() => heard.includes(b.id), 'a change of status');
    assert.ok(!heard.includes(a.id), 'told of a change that was not applied');
  },

  'onChange tells of webhooks that are created, changed and deleted': async (context) => {
    const heard: string[] = [];
    const end = onChange(context)((ids) => heard.push(...ids));
    const webhook = aWebhook();
    const told = async (what: string): Promise<void> => {
      await context.eventually(() => heard.includes(webhook.id), what);
      heard.length = 0;
    };
    await context.webhookStore.insert(webhook);
    await told('an insert');
    await context.webhookStore.update({ ...webhook, revision: 2 }, 1);
    await told('an update');
    await context.webhookStore.delete(webhook.id);
    await told('a deletion');
    end();
    const others: string[] = [];
    onChange(context)((ids) => others.push(...ids));
    await context.webhookStore.insert(webhook);
    await context.eventually(() => others.length > 0, 'an insert');
    same(heard, []);
  },

  'onChange tells of what can be read already': async (context) => {
    const found: Promise<number>[] = [];
    onChange(context)((ids) => {
      found.push(context.repos.webhooks.getMany(ids).then(({ length }) => length));
    });
    await context.storeWebhooks(aWebhook());
    await context.eventually(() => found.length > 0, 'an insert');
    same(await only(found), 1);
  },
});

function hearWork(context: LawContext): readonly Work[] {
  const heard: Work[] = [];
  onWork(context)((work) => heard.push(work));
  return heard;
}

function onWork(context: LawContext): NonNullable<EventRepo['onWork']> {
  const { events } = context.repos;
  if (!events.onWork) assert.fail('repos.events has no onWork: name this law in `skip`, with the reason');
  return events.onWork.bind(events);
}

function onChange(context: LawContext): NonNullable<WebhookRepo['onChange']> {
  const { webhooks } = context.repos;
  if (!webhooks.onChange)
    assert.fail('repos.webhooks has no onChange: name this law in `skip`, with the reason');
  return webhooks.onChange.bind(webhooks);
}
