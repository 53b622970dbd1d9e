import { stringIn } from '../domain/check.ts';

/** An id that is looked up: any text that could be one. Throws `InvalidInputError`. */
export function checkId(value: unknown, field = 'id'): string {
  return stringIn(field, value, { max: 128 });
}
