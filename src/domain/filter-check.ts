import { quote } from '../errors.ts';
import {
  fieldPath,
  invalidInput,
  listIn,
  numberIn,
  oneOf,
  plainObject,
  type Refuse,
  type Refusing,
  stringIn,
} from './check.ts';
import type { Filter, FilterField, FilterOperators, FilterRule, FilterScalar } from './filter.ts';

/** How deep filters may be nested: a rule by itself is 1 deep. */
const maxFilterDepth: number = 10;
/** The most rules of one filter; of combinations as many. */
const maxFilterRules: number = 100;
/** The longest string in a filter, in UTF-16 code units: field or operand. */
const maxFilterString: number = 1_024;
const MAX_LIST = 100;

interface Reading {
  readonly refuse: Refuse;
  /** The field that the whole filter is, for errors about its size. */
  readonly root: string;
  rules: number;
  combinations: number;
}

interface Place {
  readonly field: string;
  readonly depth: number;
}

/**
 * Reads a filter from outside into fresh plain data; header names become lower case. Refused are: anything that is not plain data
 * (functions, accessors, symbols, other prototypes), unknown names, more than one operator, and filters over the bounds.
 * Errors name the path, such as `filter.all[2].gte`, and are made by `refuse` (default `InvalidInputError`).
 */
export function checkFilter(field: string, value: unknown, options: Refusing = {}): Filter {
  const reading = { refuse: options.refuse ?? invalidInput, root: field, rules: 0, combinations: 0 };
  return readFilter(value, { field, depth: 1 }, reading);
}

function readFilter(value: unknown, place: Place, reading: Reading): Filter {
  const { refuse } = reading;
  if (place.depth > maxFilterDepth) {
    throw refuse(place.field, `${place.field} is nested more than ${maxFilterDepth} deep`, 'range');
  }
  const given = plainObject(place.field, value, { refuse });
  if ('field' in given) return readRule(given, place.field, reading);
  reading.combinations = count(reading.combinations, 'combinations', reading);
  return readCombination(given, place, reading);
}

/** The depth check comes before the element is read, so that a filter that contains itself ends too. */
function readCombination(given: Readonly<Record<string, unknown>>, place: Place, reading: Reading): Filter {
  const { refuse } = reading;
  const [name = '', ...others] = Object.keys(given);
  const field = fieldPath(place.field, name);
  if ((name !== 'all' && name !== 'any' && name !== 'not') || others.length > 0) {
    const message = `${place.field} must be { all }, { any }, { not } or a rule { field, operator }`;
    throw refuse(name === '' ? place.field : field, `${message}, not { ${namesOf(given)} }`, 'type');
  }
  if (name === 'not') return { not: readFilter(given.not, { field, depth: place.depth + 1 }, reading) };
  const parts = listIn(field, given[name], { min: 0, max: MAX_LIST, refuse }).map((part, index) =>
    readFilter(part, { field: `${field}[${index}]`, depth: place.depth + 1 }, reading),
  );
  return name === 'all' ? { all: parts } : { any: parts };
}

function readRule(given: Readonly<Record<string, unknown>>, field: string, reading: Reading): FilterRule {
  const { refuse } = reading;
  reading.rules = count(reading.rules, 'rules', reading);
  const [name = '', ...others] = Object.keys(given).filter((key) => key !== 'field');
  if (!isOperator(name) || others.length > 0) {
    const wrong = isOperator(name) ? fieldPath(field, others[0] ?? '') : fieldPath(field, name);
    const message = `${field} must have exactly one operator of ${Object.keys(operands).join(', ')}`;
    throw refuse(name === '' ? field : wrong, `${message}, not { ${namesOf(given)} }`, 'type');
  }
  const subject = readField(`${field}.field`, given.field, refuse);
  const operand = operands[name](`${field}.${name}`, given[name], refuse);
  return { field: subject, [name]: operand } as unknown as FilterRule;
}

function namesOf(given: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(given);
  const shown = names.slice(0, 5).map(quote).join(', ');
  return names.length > 5 ? `${shown}, …` : shown;
}

function count(before: number, what: string, { refuse, root }: Reading): number {
  if (before < maxFilterRules) return before + 1;
  throw refuse(root, `${root} has more than ${maxFilterRules} ${what}`, 'range');
}

const HEADER = /^headers\.[!#$%&'*+.^_`|~0-9a-z-]+$/;
const DATA_PATH = /^data(?:\.[^.]+)*$/;

function readField(field: string, value: unknown, refuse: Refuse): FilterField {
  const text = stringIn(field, value, { max: maxFilterString, refuse });
  const subject = text.startsWith('headers.') ? text.toLowerCase() : text;
  if (isField(subject)) return subject;
  const message = `${field} must be type, source, headers.<name>, data or data.<path>, not ${quote(text)}`;
  throw refuse(field, message, 'range');
}

function isField(text: string): text is FilterField {
  return text === 'type' || text === 'source' || HEADER.test(text) || DATA_PATH.test(text);
}

type ReadOperand<Operand> = (field: string, value: unknown, refuse: Refuse) => Operand;

/** How each operator's operand is read; the one list of operators. */
const operands: { readonly [Operator in keyof FilterOperators]: ReadOperand<FilterOperators[Operator]> } = {
  eq: readScalar,
  ne: readScalar,
  in: (field, value, refuse) =>
    listIn(field, value, { min: 1, max: MAX_LIST, refuse }).map((element, index) =>
      readScalar(`${field}[${index}]`, element, refuse),
    ),
  exists: (field, value, refuse) => oneOf(field, value, { choices: [true, false], refuse }),
  prefix: readText,
  suffix: readText,
  contains: readScalar,
  gt: readComparable,
  gte: readComparable,
  lt: readComparable,
  lte: readComparable,
};

function isOperator(name: string): name is keyof FilterOperators {
  return Object.hasOwn(operands, name);
}

function readScalar(field: string, value: unknown, refuse: Refuse): FilterScalar {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string' || typeof value === 'number') return readComparable(field, value, refuse);
  throw refuse(field, `${field} must be a string, number, boolean or null, not ${quote(value)}`, 'type');
}

function readComparable(field: string, value: unknown, refuse: Refuse): number | string {
  if (typeof value === 'string') return readText(field, value, refuse);
  if (typeof value !== 'number') {
    throw refuse(field, `${field} must be a number or a string, not ${quote(value)}`, 'type');
  }
  return numberIn(field, value, { min: -Number.MAX_VALUE, max: Number.MAX_VALUE, refuse });
}

function readText(field: string, value: unknown, refuse: Refuse): string {
  return stringIn(field, value, { min: 0, max: maxFilterString, multiline: true, refuse });
}
