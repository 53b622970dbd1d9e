import type { Repos, WebhookStore } from '../../src/repos.ts';

/** Repos that one process has open. */
export interface OpenRepos {
  readonly repos: Repos & { readonly webhooks: WebhookStore };
  close(): Promise<void>;
}

/** How a process opens a store: all it needs is text, so that a child can be told. */
export interface StoreKind {
  /** `onStatement` is called around every statement that a repo runs: a place to die in the middle of a call. */
  open(address: string, onStatement?: () => void): Promise<OpenRepos>;
  /** A new empty store for one run. */
  create(): Promise<StoreHome>;
}

/** A fault of the store itself. Ends when the store works again. */
export interface Disturbance {
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
  /** For a process that is ending, and can wait for nothing: ends at once whatever runs beside it. */
  abandon?(): void;
}

/** Every store that can be killed around; a worker loads no other than its own. */
const stores: Readonly<Record<string, () => Promise<StoreKind>>> = {
  sqlite: async () => (await import('./sqlite-store.ts')).sqliteStore,
  postgres: async () => (await import('./postgres-store.ts')).postgresStore,
};

/** The store of that name. Rejects with `RangeError`. */
export async function storeOf(name: string): Promise<StoreKind> {
  const load = Object.hasOwn(stores, name) ? stores[name] : undefined;
  if (load === undefined)
    throw new RangeError(`There is no store ${name}; there are ${Object.keys(stores).join(', ')}`);
  return await load();
}
