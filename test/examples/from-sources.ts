/** Loaded before an example: `surehook` is then what lies in src, so that nothing has to be built first. */
import { registerHooks } from 'node:module';

const sources = new URL('../../src/index.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) => next(specifier === 'surehook' ? sources : specifier, context),
});
