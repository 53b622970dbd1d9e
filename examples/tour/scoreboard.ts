import type { Attempt, Delivery, DeliveryStatus, Surehook } from 'surehook';

/** One line of the table. */
export interface Row {
  readonly name: string;
  readonly state: string;
  readonly delivered: number;
  /** Attempts, not deliveries. */
  readonly failed: number;
  readonly waiting: number;
  /** Given up; to be replayed. */
  readonly dead: number;
  readonly answer: string;
}

interface Watched {
  readonly name: string;
  failed: number;
  failedAt: number;
  answer: string;
  /** The states it went through. */
  readonly states: string[];
}

/** What surehook tells of its webhooks: counts by asking it, news by listening to its events. */
export class Scoreboard {
  readonly errors: Error[] = [];
  onNews: (name: string, news: string) => void = () => {};
  readonly #surehook: Surehook;
  readonly #watched = new Map<string, Watched>();

  constructor(surehook: Surehook) {
    this.#surehook = surehook;
    surehook.on('delivery:attempted', ({ delivery, attempt }) => this.#attempted(delivery, attempt));
    surehook.on('webhook:status', ({ webhookId, from, to }) => {
      this.#watched.get(webhookId)?.states.push(to.state);
      this.#tell(webhookId, `${from.state} -> ${to.state}${meaning[to.state]}`);
    });
    surehook.on('error', (error) => this.errors.push(error));
  }

  watch(name: string, webhookId: string): void {
    this.#watched.set(webhookId, { name, failed: 0, failedAt: 0, answer: '', states: ['enabled'] });
  }

  idOf(name: string): string {
    for (const [id, watched] of this.#watched) if (watched.name === name) return id;
    throw new Error(`no webhook ${name}`);
  }

  of(name: string): Readonly<Watched> {
    return this.#watched.get(this.idOf(name)) as Watched;
  }

  async rows(): Promise<Row[]> {
    return await Promise.all(
      [...this.#watched].map(async ([id, { name, failed, answer }]) => {
        const webhook = await this.#surehook.webhooks.get(id);
        const { items } = await this.#surehook.deliveries.list({ webhookId: id, limit: 1_000 });
        const count = (status: DeliveryStatus): number => items.filter((one) => one.status === status).length;
        const [delivered, dead] = [count('delivered'), count('exhausted')];
        const waiting = items.length - delivered - dead;
        return { name, state: webhook?.status.state ?? 'unknown', delivered, failed, waiting, dead, answer };
      }),
    );
  }

  async isAllDelivered(): Promise<boolean> {
    const rows = await this.rows();
    return rows.every(({ waiting, dead, state }) => waiting === 0 && dead === 0 && state === 'enabled');
  }

  #attempted({ webhookId, status }: Delivery, { durationMs, error, httpStatus, startedAt }: Attempt): void {
    const watched = this.#watched.get(webhookId);
    if (watched === undefined) return;
    watched.answer = error?.kind ?? `${httpStatus} in ${durationMs} ms`;
    if (status === 'delivered') return;
    const sinceMs = startedAt.getTime() - watched.failedAt;
    const since = watched.failed === 0 ? '' : `, ${sinceMs} ms after the one before`;
    watched.failed += 1;
    watched.failedAt = startedAt.getTime();
    const what = error === undefined ? `answered ${httpStatus}` : `no answer (${error.kind})`;
    this.#tell(webhookId, `${what}: failure ${watched.failed}${since}`);
  }

  #tell(webhookId: string, news: string): void {
    this.onNews(this.#watched.get(webhookId)?.name ?? webhookId, news);
  }
}

const meaning = {
  enabled: '',
  disabled: '',
  retrying: ': its events wait in a queue of their own',
  unavailable: ': what waits is given up, for a replay',
} as const;
