/** Every pattern that covers a type: `*`, the type itself, and one category per dot. A look-up of these finds all its subscribers. */
export function patternsFor(type: string): readonly string[] {
  const patterns = ['*', type];
  for (let dot = type.indexOf('.'); dot >= 0; dot = type.indexOf('.', dot + 1)) {
    patterns.push(`${type.slice(0, dot)}.*`);
  }
  return patterns;
}
