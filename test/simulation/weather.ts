import { seededRandom } from '../../src/testing/index.ts';
import type { Plan } from './plan.ts';
import type { CrashPhase, Fate } from './ports.ts';
import type { Fates } from './world.ts';

const phases: readonly CrashPhase[] = ['before', 'applied', 'returned'];

/** Fates by chance, as the weather of the moment has it. */
export function fatesByWeather({ seed, settings }: Plan): Fates {
  const random = seededRandom(seed * 47 + 5);
  const { storageTimeoutMs, leaseMs } = settings;
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random.next() * choices.length)] as T;
  return (_, { weather }) => {
    const { latencyMs } = weather;
    const applyAfterMs = random.next() * latencyMs;
    const returnAfterMs = random.next() * latencyMs;
    const fate: { -readonly [Field in keyof Fate]: Fate[Field] } = { applyAfterMs, returnAfterMs };
    if (random.next() < weather.slow) {
      const slowMs = random.next() * 3 * storageTimeoutMs;
      if (random.next() < 0.5) fate.applyAfterMs += slowMs;
      else fate.returnAfterMs += slowMs;
    }
    const chance = random.next();
    if (chance < weather.refused) fate.failure = 'before';
    else if (chance < weather.refused + weather.unacknowledged) fate.failure = 'after';
    else if (chance < weather.refused + weather.unacknowledged + weather.unanswered) fate.failure = 'never';
    if (random.next() < weather.fatal)
      fate.crash = { phase: pick(phases), downMs: pick([20, 300, 2 * leaseMs]) };
    return fate;
  };
}
