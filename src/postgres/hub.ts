import type { Clock } from '../clock.ts';
import { Listeners } from '../memory/listeners.ts';
import type { Random } from '../random.ts';
import type { Work } from '../repos.ts';
import type { Notices } from './append.ts';
import type { Database } from './database.ts';
import { ListenConnection } from './listen-connection.ts';
import { newsOf, workPayloads } from './notices.ts';

/** How news travels. */
export interface HubOptions {
  /** The schema's name is the channel. */
  readonly channel: string;
  /** False: news stays in this process. */
  readonly notifications: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly onError: (error: unknown) => void;
}

/**
 * News of what was stored. Listeners of this process are told at once, those of others through the server: a statement that
 * stores something carries the notification, and it goes out when its transaction commits.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #work = new Listeners<Work>();
  readonly #changes = new Listeners<readonly string[]>();
  readonly #connection: ListenConnection;
  /** Tells notifications of this process from those of others. */
  readonly #sender: string;
  #listening = 0;

  constructor(database: Database, options: HubOptions) {
    this.#options = options;
    this.#sender = Buffer.from(options.random.bytes(9)).toString('base64url');
    const { channel, clock, onError } = options;
    this.#connection = new ListenConnection(database, {
      channel,
      clock,
      onError,
      onPayload: (payload) => this.#hear(payload),
      onGap: () => this.#work.emit({ express: true, replays: true, ownQueues: [] }),
    });
  }

  onWork(listener: (work: Work) => void): () => void {
    return this.#listen(this.#work.add(listener));
  }

  onChange(listener: (ids: readonly string[]) => void): () => void {
    return this.#listen(this.#changes.add(listener));
  }

  /** What a statement notifies of that brings this work. `everybody`: this process too, which does not learn of the commit otherwise. */
  workNotices(work: Work, everybody: boolean = false): Notices {
    if (!this.#options.notifications || !isSome(work)) return undefined;
    return { channel: this.#options.channel, payloads: workPayloads(everybody ? '' : this.#sender, work) };
  }

  /** Where a statement sends notifications that it makes by itself, and as whom; undefined where it sends none. */
  get address(): { readonly channel: string; readonly sender: string } | undefined {
    return this.#options.notifications ? { channel: this.#options.channel, sender: this.#sender } : undefined;
  }

  /** Tells this process of work that has been stored. */
  tellWork(work: Work): void {
    if (isSome(work)) this.#work.emit(work);
  }

  /** Tells this process of webhooks that have changed. */
  tellChange(ids: readonly string[]): void {
    if (ids.length > 0) this.#changes.emit(ids);
  }

  /** Whether work must be made up for anybody. */
  get isHeard(): boolean {
    return this.#options.notifications || !this.#work.none;
  }

  async close(): Promise<void> {
    await this.#connection.stop();
  }

  #listen(remove: () => void): () => void {
    if (!this.#options.notifications) return remove;
    this.#listening += 1;
    this.#connection.start();
    let isEnded = false;
    return () => {
      remove();
      if (isEnded) return;
      isEnded = true;
      this.#listening -= 1;
      if (this.#listening === 0) this.#connection.stop().catch(this.#options.onError);
    };
  }

  #hear(payload: string): void {
    const news = newsOf(payload);
    if (news === undefined || news.sender === this.#sender) return;
    if (news.work !== undefined) this.tellWork(news.work);
    if (news.webhooks !== undefined) this.tellChange(news.webhooks);
  }
}

function isSome({ express, replays, ownQueues }: Work): boolean {
  return express || replays || ownQueues.length > 0;
}
