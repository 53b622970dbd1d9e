import { createHash } from 'node:crypto';

const names = new Map<string, string>();

/**
 * The name of a statement, the same in every process: a connection keeps what it prepared, whoever uses it next, and takes no other text
 * under a name. There are a few dozen texts for each schema.
 */
export function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `surehook_${createHash('sha256').update(text).digest('base64url').slice(0, 24)}`;
    names.set(text, name);
  }
  return name;
}
