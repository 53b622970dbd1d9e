import type { Repos } from '../../repos.ts';
import type { ContractSubject } from '../contract/context.ts';

/** What an adapter supplies for each history: the same as for a law, and what a new process would see. */
export interface CrashSubject extends ContractSubject {
  /**
   * Opens the same store as a new process does, after the one before was killed: without anything that an adapter keeps in memory. Default: the
   * next process goes on with the same repos.
   */
  reopen?(): Promise<Repos> | Repos;
}
