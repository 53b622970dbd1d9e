import { type MemoryRepos, memoryRepos } from '../../src/memory/index.ts';
import type { EventRepo, Repos, StateRepo, WebhookStore } from '../../src/repos.ts';

/** In-memory repos with one fault. */
export interface WrongRepos {
  /** What they do wrong. */
  readonly fault: string;
  create(): Repos;
}

/** Repos whose events are changed. */
export function events(fault: string, change: (real: EventRepo) => Partial<EventRepo>): WrongRepos {
  return wrong(fault, (repos) => ({ ...repos, events: overlaid(repos.events, change(repos.events)) }));
}

/** Repos whose webhooks are changed. */
export function webhooks(fault: string, change: (real: WebhookStore) => Partial<WebhookStore>): WrongRepos {
  return wrong(fault, (repos) => ({ ...repos, webhooks: overlaid(repos.webhooks, change(repos.webhooks)) }));
}

/** Repos whose state is changed. */
export function state(fault: string, change: (real: StateRepo) => Partial<StateRepo>): WrongRepos {
  return wrong(fault, (repos) => ({ ...repos, state: overlaid(repos.state, change(repos.state)) }));
}

/** In-memory repos, spoiled. */
function wrong(fault: string, spoil: (repos: MemoryRepos) => Repos): WrongRepos {
  return { fault, create: () => spoil(memoryRepos()) };
}

/** The repo with some methods in the place of its own. */
function overlaid<T extends object>(real: T, changed: Partial<T>): T {
  return new Proxy(real, {
    get: (_, name) => {
      const member: unknown = Reflect.get(name in changed ? changed : real, name);
      return typeof member === 'function' ? member.bind(real) : member;
    },
  });
}
