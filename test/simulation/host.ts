import type { DeliveryListQuery, NewEvent, Surehook } from '../../src/index.ts';
import type { Life } from './life.ts';
import type { Action } from './plan.ts';
import type { Ending } from './watcher.ts';
import type { World } from './world.ts';

/** The numbers of events whose content is given begin here: an even number. */
const KEYED = 1_000_000;
/** Many are being replayed. */
const ALONE = Number.POSITIVE_INFINITY;

/** What hosts do: they publish, manage and replay through whichever process is awake. */
export class Host {
  readonly #world: World;
  #published = 0;
  /** Calls under way that replay one delivery, by process; or `ALONE`. */
  readonly #replays = new WeakMap<Life, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Does it, if any process can; how it ends is told to the watcher. */
  act(action: Action): void {
    if (!('node' in action)) return;
    const { nodes, trace } = this.#world;
    const awake =
      nodes[action.node % nodes.length]?.awake ?? nodes.find((node) => node.awake !== undefined)?.awake;
    if (awake === undefined) return;
    const { life, surehook } = awake;
    trace.note(life.name, `host: ${action.do}`, action);
    if (action.do === 'publish') this.#publish(life, surehook, action);
    else if (action.do === 'replay') void this.#replay(life, surehook, action);
    else if (action.do === 'replay-many') this.#replayMany(life, surehook, action);
    else if (action.do === 'cancel') void this.#cancel(life, surehook, action);
    else if ('webhook' in action) this.#manage(life, surehook, action);
  }

  #publish(life: Life, surehook: Surehook, action: Action & { do: 'publish' }): void {
    const { timeline, watcher } = this.#world;
    const { key: _key, ...keyless } = action;
    // In a batch the last one has the key: what came before it has to go with it when it is refused.
    const events = Array.from({ length: action.count }, (_, index) =>
      this.#event(index === action.count - 1 ? action : keyless),
    );
    const publishing = { life, events, at: timeline.now };
    watcher.publishing(publishing);
    const [only] = events;
    const result =
      events.length === 1 && only !== undefined
        ? surehook.publish(only).then((one) => [one])
        : surehook.publishMany(events);
    this.#finish(life, result, (ending) => watcher.published(publishing, ending));
  }

  #event({ tenant, type, key, content, orderingKeys }: Action & { do: 'publish' }): NewEvent {
    this.#published += 1;
    const n = key === undefined || content === undefined ? this.#published : KEYED + content;
    const event = { type, tenantId: `tenant${tenant}`, data: { n, odd: n % 2 } };
    return {
      ...event,
      ...(orderingKeys !== undefined && { orderingKey: `line${n % orderingKeys}` }),
      ...(key !== undefined && { idempotencyKey: `key${key}` }),
    };
  }

  #manage(life: Life, surehook: Surehook, action: Action & { webhook: number }): void {
    const { timeline, watcher, webhookIds } = this.#world;
    const id = webhookIds[action.webhook % webhookIds.length];
    if (id === undefined) return;
    const managing = { life, action, id, at: timeline.now };
    this.#finish(life, managed(surehook, action, id), (ending) => watcher.managed(managing, ending));
  }

  async #replay(life: Life, surehook: Surehook, action: Action & { do: 'replay' }): Promise<void> {
    const query = { status: 'exhausted', limit: action.count } as const;
    const ids = await this.#find(life, { surehook, action, query });
    for (const id of ids) this.#replaying(life, { action, id }, () => surehook.deliveries.replay(id));
  }

  #replayMany(life: Life, surehook: Surehook, action: Action & { do: 'replay-many' }): void {
    const filter = { tenantId: `tenant${action.tenant}` };
    this.#replaying(life, { action, id: '' }, () => surehook.deliveries.replayMany(filter));
  }

  /** What a process marks while it replays many is that call's doing alone: nothing else is replayed through it meanwhile. */
  #replaying(
    life: Life,
    { action, id }: { readonly action: Action; readonly id: string },
    replay: () => Promise<unknown>,
  ): void {
    const { timeline, watcher } = this.#world;
    const isMany = action.do === 'replay-many';
    const open = this.#replays.get(life) ?? 0;
    if (open === ALONE || (isMany && open > 0)) return;
    this.#replays.set(life, isMany ? ALONE : open + 1);
    const managing = { life, action, id, at: timeline.now };
    if (isMany) watcher.replaying(managing);
    this.#finish(life, replay(), (ending) => {
      this.#replays.set(life, isMany ? 0 : (this.#replays.get(life) ?? 1) - 1);
      watcher.managed(managing, ending);
    });
  }

  async #cancel(life: Life, surehook: Surehook, action: Action & { do: 'cancel' }): Promise<void> {
    const { timeline, watcher } = this.#world;
    const { count: limit, status } = action;
    const ids = await this.#find(life, { surehook, action, query: { limit, ...(status && { status }) } });
    for (const id of ids) {
      const managing = { life, action, id, at: timeline.now };
      this.#finish(life, surehook.deliveries.cancel(id), (ending) => watcher.managed(managing, ending));
    }
  }

  /** The ids of the deliveries that a query finds; none where that fails. */
  async #find(
    life: Life,
    { surehook, action, query }: { surehook: Surehook; action: Action; query: DeliveryListQuery },
  ): Promise<readonly string[]> {
    const { timeline, watcher } = this.#world;
    const managing = { life, action, id: '', at: timeline.now };
    life.hostCalls += 1;
    try {
      return (await surehook.deliveries.list(query)).items.map(({ id }) => id);
    } catch (error) {
      watcher.managed(managing, { error });
      return [];
    } finally {
      life.hostCalls -= 1;
    }
  }

  #finish<T>(life: Life, result: Promise<T>, tell: (ending: Ending<T>) => void): void {
    const { trace } = this.#world;
    life.hostCalls += 1;
    result.then(
      (value) => {
        life.hostCalls -= 1;
        trace.note(life.name, 'host: done', value);
        tell({ value });
      },
      (error: unknown) => {
        life.hostCalls -= 1;
        trace.note(life.name, 'host: rejected', error);
        tell({ error });
      },
    );
  }
}

async function managed(surehook: Surehook, action: Action, id: string): Promise<unknown> {
  const { webhooks } = surehook;
  switch (action.do) {
    case 'disable':
      return webhooks.disable(id);
    case 'enable':
      return webhooks.enable(id);
    case 'delete':
      return webhooks.delete(id);
    case 'test':
      return webhooks.sendTest(id);
    case 'update': {
      const url = (await webhooks.get(id))?.url ?? '';
      return webhooks.update(id, {
        url: url.endsWith('/a') ? url.replace(/a$/, 'b') : url.replace(/b$/, 'a'),
      });
    }
    default:
      return undefined;
  }
}
