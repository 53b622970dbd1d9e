/** A process that does pieces of work for another, one at a time; with a planted bug where `SIMULATION_MUTANT` names one. */
import { plant } from './plant.ts';
import type { Task } from './tasks.ts';

const { SIMULATION_MUTANT: mutant } = process.env;
const check = mutant === undefined ? undefined : plant(mutant);
// After the planting: this loads the engine.
const { perform } = await import('./tasks.ts');
check?.();

process.on('message', (task: Task) => {
  void perform(task).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error);
      process.exit(2);
    },
  );
});
