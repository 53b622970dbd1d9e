/** Loaded before an example: `surehook` and its parts are then what lies in src, so that nothing has to be built first. */
import { registerHooks } from 'node:module';

const NAME = /^surehook(?:\/(?<part>testing|sqlite|postgres))?$/;

function sourceOf(specifier: string): string | undefined {
  const match = NAME.exec(specifier);
  if (match === null) return undefined;
  const part = match.groups?.part;
  return new URL(`../../src/${part === undefined ? '' : `${part}/`}index.ts`, import.meta.url).href;
}

registerHooks({
  resolve: (specifier, context, next) => next(sourceOf(specifier) ?? specifier, context),
});
