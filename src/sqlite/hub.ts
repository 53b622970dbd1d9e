import { Listeners } from '../memory/listeners.ts';
import type { Work } from '../repos.ts';

/** Who in this process wants to hear of changes to one database. */
export interface Hub {
  readonly work: Listeners<Work>;
  readonly changes: Listeners<readonly string[]>;
}

/** By file: several repos on one file tell each other. An entry weighs nothing while nobody listens, and files are few. */
const hubs = new Map<string, Hub>();

/** The hub of a file, or a new one for a database in memory. */
export function hubOf(file: string | undefined): Hub {
  const known = file === undefined ? undefined : hubs.get(file);
  if (known !== undefined) return known;
  const hub: Hub = { work: new Listeners(), changes: new Listeners() };
  if (file !== undefined) hubs.set(file, hub);
  return hub;
}
