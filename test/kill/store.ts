import type { Repos, WebhookStore } from '../../src/repos.ts';
import { sqliteStore } from './sqlite-store.ts';

/** Repos that one process has open. */
export interface OpenRepos {
  readonly repos: Repos & { readonly webhooks: WebhookStore };
  close(): Promise<void>;
}

/** How a process opens a store: all it needs is text, so that a child can be told. */
export interface StoreKind {
  /** `onStatement` is called before every statement that a repo runs: a place to die in the middle of a call. */
  open(address: string, onStatement?: () => void): Promise<OpenRepos>;
  /** A new empty store for one run. */
  create(): Promise<StoreHome>;
}

/** A fault of the store itself. Ends when the store works again. */
interface Disturbance {
  readonly name: string;
  run(): Promise<void>;
}

/** Where the store of a run lives. */
export interface StoreHome {
  /** For `StoreKind.open`. */
  readonly address: string;
  /** What can be done to the store while everybody works on it. */
  readonly disturbances: readonly Disturbance[];
  dispose(): Promise<void>;
}

/** Every store that can be killed around. */
const stores: Readonly<Record<string, StoreKind>> = { sqlite: sqliteStore };

/** The store of that name. Throws `RangeError`. */
export function storeOf(name: string): StoreKind {
  const store = Object.hasOwn(stores, name) ? stores[name] : undefined;
  if (store === undefined)
    throw new RangeError(`There is no store ${name}; there are ${Object.keys(stores).join(', ')}`);
  return store;
}
