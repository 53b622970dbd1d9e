/** An ASCII character as URLs, JSON and HTML may write it, or the beginning of one that the end of the text cuts short. */
const ESCAPE =
  /%(?:([0-9a-f]{2})|[0-9a-f]?$)|\\(?:u00([0-9a-f]{2})|(\/)|u?0{0,2}[0-9a-f]?$)|&(?:#x([0-9a-f]{2});|#(\d{2,3});|#?x?[0-9a-f]{0,3}$)/gi;

/** The text with such characters as themselves; those that are cut short are left out. */
export function unescaped(text: string): string {
  return text.replace(ESCAPE, (_escape, ...groups) => characterOf(groups));
}

/** Where in the text each character of `unescaped(text)` begins. */
export function placesOf(text: string): readonly number[] {
  const places: number[] = [];
  let done = 0;
  const upTo = (end: number): void => {
    for (; done < end; done += 1) places.push(done);
  };
  for (const match of text.matchAll(ESCAPE)) {
    upTo(match.index);
    if (characterOf(match.slice(1)) !== '') places.push(match.index);
    done = match.index + match[0].length;
  }
  upTo(text.length);
  return places;
}

function characterOf([percent, json, slash, hex, decimal]: readonly (string | undefined)[]): string {
  const code = percent ?? json ?? hex;
  if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
  return slash ?? (decimal === undefined ? '' : String.fromCharCode(Number(decimal)));
}
