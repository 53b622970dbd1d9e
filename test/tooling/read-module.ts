/**
 * What one source file imports and which names of the global scope it uses, read from its syntax tree. No scopes are
 * tracked: a global name that is declared again counts as used, so that a local of the same name cannot hide a use.
 */
import { parseSync } from 'oxc-parser';

interface Import {
  /** As written: `./clock.ts`, `node:crypto`, `undici`. */
  readonly specifier: string;
  /** Nothing of it remains at run time. */
  readonly typeOnly: boolean;
  /** The imported names; `*` for all of them. */
  readonly names: readonly string[];
}

export interface SourceModule {
  /** Path below src, with `/`. */
  readonly path: string;
  readonly imports: readonly Import[];
  /** Such as `fetch`, `Math.random`, `new Date()`; each once. */
  readonly globals: readonly string[];
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Globals that touch time, chance, the network or the process in whatever way they are used. */
const IMPURE = new Set(
  `setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate fetch WebSocket EventSource XMLHttpRequest
   BroadcastChannel crypto performance process console globalThis global require eval Function Temporal`.split(
    /\s+/,
  ),
);

/** Globals of which only some members are pure; any other use of the name counts, so that none can be passed on. */
const PURE_MEMBERS: Readonly<Record<string, (member: string) => boolean>> = {
  Date: (member) => ['parse', 'UTC', 'prototype'].includes(member),
  Math: (member) => member !== 'random',
  AbortSignal: (member) => member === 'any' || member === 'abort',
};

const RUN_TIME_WRAPPERS = new Set(['TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression']);
const TYPE_KEYS = new Set(['typeAnnotation', 'returnType', 'typeParameters', 'typeArguments', 'implements']);

export function readModule(path: string, source: string): SourceModule {
  const { program, errors } = parseSync(path, source);
  const [error] = errors;
  if (error !== undefined) throw new SyntaxError(`${path}: ${error.message}`);
  const imports: Import[] = [];
  const globals = new Set<string>();
  visit(program as unknown as Node, (node, context) => {
    const found = importOf(node);
    if (found !== undefined) imports.push({ ...found, typeOnly: found.typeOnly || path.endsWith('.d.ts') });
    const used = context.inType ? undefined : globalUse(node, context);
    if (used !== undefined) globals.add(used);
  });
  return { path, imports, globals: [...globals] };
}

interface Context {
  readonly parent?: Node;
  readonly key: string;
  readonly inType: boolean;
}

function visit(root: Node, enter: (node: Node, context: Context) => void): void {
  const walk = (node: Node, context: Context): void => {
    enter(node, context);
    const typeNode = node.type.startsWith('TS') && !RUN_TIME_WRAPPERS.has(node.type);
    for (const [key, value] of Object.entries(node)) {
      const inType = context.inType || typeNode || TYPE_KEYS.has(key);
      for (const child of Array.isArray(value) ? value : [value]) {
        if (isNode(child)) walk(child, { parent: node, key, inType });
      }
    }
  };
  walk(root, { key: '', inType: false });
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

function importOf(node: Node): Import | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
      return declared(node, node.importKind === 'type');
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return node.source === null ? undefined : declared(node, node.exportKind === 'type');
    case 'ImportExpression':
      return { specifier: literal(node.source), typeOnly: false, names: ['*'] };
    case 'TSImportType':
      return { specifier: literal(node.source), typeOnly: true, names: ['*'] };
    default:
      return undefined;
  }
}

function declared(node: Node, typeOnly: boolean): Import {
  const specifiers = (node.specifiers ?? []) as readonly Node[];
  const kept = specifiers.filter((one) => one.importKind !== 'type' && one.exportKind !== 'type');
  const names = kept.map((one) => nameOf(one.type === 'ExportSpecifier' ? one.local : one.imported) ?? '*');
  const onlyTypes = typeOnly || (specifiers.length > 0 && kept.length === 0);
  return { specifier: literal(node.source), typeOnly: onlyTypes, names: names.length > 0 ? names : ['*'] };
}

/** The text of a literal; of a computed specifier a text that no rule allows. */
function literal(node: unknown): string {
  const value = isNode(node) ? node.value : undefined;
  return typeof value === 'string' ? value : '(computed)';
}

function nameOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  return typeof node.name === 'string' ? node.name : typeof node.value === 'string' ? node.value : undefined;
}

function globalUse(node: Node, { parent, key }: Context): string | undefined {
  if (node.type !== 'Identifier' || parent === undefined || isPropertyName(parent, key)) return undefined;
  const name = node.name as string;
  if (IMPURE.has(name)) return name;
  const pureMember = Object.hasOwn(PURE_MEMBERS, name) ? PURE_MEMBERS[name] : undefined;
  if (pureMember === undefined) return undefined;
  if (parent.type === 'MemberExpression' && key === 'object') {
    const member = parent.computed === true ? '[computed]' : (nameOf(parent.property) ?? '');
    return pureMember(member) ? undefined : `${name}.${member}`;
  }
  if (parent.type === 'BinaryExpression' && parent.operator === 'instanceof') return undefined;
  if (name === 'Date' && parent.type === 'NewExpression' && key === 'callee') {
    return (parent.arguments as readonly unknown[]).length > 0 ? undefined : 'new Date()';
  }
  return name;
}

/** Whether an identifier there is a mere name: `a.fetch`, `{ fetch: 1 }`, a method, a label. */
function isPropertyName(parent: Node, key: string): boolean {
  if (key === 'label') return true;
  if (parent.computed === true) return false;
  if (key === 'property') return parent.type === 'MemberExpression';
  if (key !== 'key') return key === 'imported' || (key === 'exported' && parent.type === 'ExportSpecifier');
  return !(parent.type === 'Property' && parent.shorthand === true);
}
