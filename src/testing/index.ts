/**
 * What helps to test with surehook, under any test runner.
 *
 * - **Testing an application**: `manualClock()`, `scriptedTransport()` and `seededRandom()` take the place of time, network
 *   and chance in `createSurehook`, over `memoryRepos()`.
 * - **Testing an adapter**: `runContract()` holds its repos against every law of the ports. Whoever passes is correct.
 *   `runCrashHistories()` lets the real engine work on them in processes that end at any call, and checks what it promises.
 */
export {
  type ClaimOptions,
  type ContractSubject,
  type ContractTime,
  LawContext,
  type LawTimes,
} from './contract/context.ts';
export type { Law, LawFamily } from './contract/law.ts';
export { allLaws } from './contract/laws.ts';
export {
  type BoundLaw,
  type ContractOptions,
  contractLaws,
  runContract,
  type TestFunction,
} from './contract/run.ts';
export {
  type BoundScenario,
  type CrashOptions,
  crashHistories,
  runCrashHistories,
} from './crash/run.ts';
export type { CrashSubject } from './crash/subject.ts';
export { type ManualClock, manualClock } from './manual-clock.ts';
export {
  byUrl,
  type ScriptedAnswer,
  type ScriptedTransport,
  type ScriptedTransportOptions,
  type SentRequest,
  scriptedTransport,
  type TransportScript,
} from './scripted-transport.ts';
export { seededRandom } from './seeded-random.ts';
