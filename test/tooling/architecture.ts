/** Judges source files against an architecture: layers, circles, and the few places that may touch the world. */
import { posix } from 'node:path';
import type { SourceModule } from './read-module.ts';

export interface Architecture {
  /**
   * From low to high. A unit is a folder of src or a file right in it, named without `.ts`. A file imports only from its own
   * unit and from units of lower layers; units of one layer do not know each other.
   */
  readonly layers: readonly (readonly string[])[];
  /** Units that see less than their layer would let them: the units and files (`http/transport.ts`) they may import. */
  readonly narrow: Readonly<Record<string, readonly string[]>>;
  /** Modules from outside that are free of time, chance and network: all of one (`*`), or these names. */
  readonly pureModules: Readonly<Record<string, '*' | readonly string[]>>;
  /** What a file may use beyond that: globals, whole modules (`node:net`), or names of one (`node:net#connect`). */
  readonly exceptions: Readonly<Record<string, readonly string[]>>;
}

/** One line per offence, naming the file. Empty where the sources keep the architecture. */
export function offences(modules: readonly SourceModule[], architecture: Architecture): string[] {
  const known = new Set(modules.map((module) => module.path));
  return [
    ...modules.flatMap((module) => layerOffences(module, known, architecture)),
    ...circles(modules),
    ...modules.flatMap((module) => worldOffences(module, architecture)),
  ];
}

/** The unit that a path below src belongs to. */
function unitOf(path: string): string {
  return (path.split('/')[0] as string).replace(/\.ts$/, '');
}

/** Paths below src of the files that a module imports. */
function localTargets(module: SourceModule): readonly string[] {
  const folder = posix.dirname(module.path);
  return module.imports
    .filter((one) => one.specifier.startsWith('.'))
    .map((one) => posix.join(folder, one.specifier));
}

function layerOffences(module: SourceModule, known: Set<string>, architecture: Architecture): string[] {
  const unit = unitOf(module.path);
  const layerOf = (name: string): number => architecture.layers.findIndex((layer) => layer.includes(name));
  if (layerOf(unit) === -1) return [`${module.path}: the architecture has no unit ${unit}`];
  const allowed = architecture.narrow[unit];
  return localTargets(module).flatMap((target) => {
    if (!known.has(target)) return [`${module.path}: imports ${target}, which is no file of src`];
    const other = unitOf(target);
    if (other === unit) return [];
    if (allowed !== undefined && !allowed.includes(other) && !allowed.includes(target)) {
      return [`${module.path}: imports ${target}; ${unit} may import ${allowed.join(', ')} only`];
    }
    return layerOf(other) < layerOf(unit)
      ? []
      : [`${module.path}: imports ${target}, which is not in a layer below`];
  });
}

/** Every circle of imports once, as the path that it takes. */
function circles(modules: readonly SourceModule[]): string[] {
  const targets = new Map(modules.map((module) => [module.path, localTargets(module)]));
  const finished = new Set<string>();
  const found: string[] = [];
  const follow = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.push(`circle: ${[...trail.slice(at), path].join(' -> ')}`);
    if (at >= 0 || finished.has(path)) return;
    for (const target of targets.get(path) ?? []) follow(target, [...trail, path]);
    finished.add(path);
  };
  for (const path of targets.keys()) follow(path, []);
  return found;
}

function worldOffences(module: SourceModule, architecture: Architecture): string[] {
  const exceptions = architecture.exceptions[module.path] ?? [];
  const used = [...module.globals, ...impureImports(module, architecture)];
  const moduleOf = (use: string): string => use.split('#')[0] as string;
  const granted = (use: string): boolean => exceptions.includes(use) || exceptions.includes(moduleOf(use));
  const needed = (exception: string): boolean =>
    used.some((use) => use === exception || moduleOf(use) === exception);
  return [
    ...used.filter((use) => !granted(use)).map((use) => `${module.path}: uses ${use}`),
    ...exceptions
      .filter((exception) => !needed(exception))
      .map((exception) => `${module.path}: has an exception for ${exception} but no need of it`),
  ];
}

function impureImports(module: SourceModule, architecture: Architecture): string[] {
  return module.imports.flatMap(({ specifier, typeOnly, names }) => {
    if (typeOnly || specifier.startsWith('.')) return [];
    const pure = Object.hasOwn(architecture.pureModules, specifier)
      ? architecture.pureModules[specifier]
      : undefined;
    if (pure === '*') return [];
    return names.filter((name) => !pure?.includes(name)).map((name) => `${specifier}#${name}`);
  });
}
