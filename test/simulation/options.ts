import type { Shape, SurehookOptions } from '../../src/index.ts';
import { hookNumber } from './endpoint.ts';
import type { Plan } from './plan.ts';

const secretKey: Uint8Array = new Uint8Array(32).fill(7);

/** The options that a plan has for all of its nodes. */
export function optionsOf(plan: Plan): Omit<SurehookOptions, 'repos'> {
  const isShaped = plan.webhooks.some(({ shape }) => shape !== undefined);
  const shape: Shape = ({ data }, { url }) => shapedData(plan, hookNumber(url), data);
  return { ...plan.settings, ...(isShaped && { shape }), ...(plan.isSealed && { secretKey }) };
}

/** What a webhook, by its number in the plan, is to get as the data of an event; `undefined`: it does not get the event. */
export function shapedData({ webhooks }: Plan, hook: number, data: unknown): unknown {
  const shape = webhooks[hook]?.shape;
  if (shape === undefined) return data;
  const event = data as { readonly odd: number };
  return shape === 'some' && event.odd === 1 ? undefined : { ...event, for: hook };
}
