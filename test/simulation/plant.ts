import { registerHooks } from 'node:module';
import { type Mutant, mutants } from './mutants.ts';

const SRC = new URL('../../src/', import.meta.url).href;

/** From here on every source is loaded with the patches of a mutant. Returns what throws if one of them has not been made. */
export function plant(name: string): () => void {
  const mutant = mutants.find((one) => one.name === name);
  if (mutant === undefined) throw new RangeError(`there is no mutant ${JSON.stringify(name)}`);
  const open = new Set(mutant.patches);
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      const patches = mutant.patches.filter(({ file }) => url === SRC + file);
      if (patches.length === 0) return loaded;
      let source = String(loaded.source);
      for (const patch of patches) {
        source = patched(source, patch);
        open.delete(patch);
      }
      return { ...loaded, source };
    },
  });
  return () => {
    for (const { file } of open) throw new Error(`${mutant.name}: ${file} was not loaded`);
  };
}

/** The source with a patch made; throws where its text is not there exactly once. */
export function patched(source: string, { file, find, put }: Mutant['patches'][number]): string {
  const parts = source.split(find);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times ${JSON.stringify(find)}`);
  return parts.join(put);
}
