/** A regular expression as far as its running time depends on it. Positions are in the source. */
export type Part =
  | { type: 'character'; source: string }
  | { type: 'sequence'; parts: Part[] }
  | { type: 'choice'; options: Part[] }
  | { type: 'look'; body: Part }
  | { type: 'repeat'; body: Part; least: number; most: number; from: number; to: number; lazy: boolean }
  | { type: 'backreference' };

const ESCAPE = /\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|k<[^>]*>|[0-9]{1,3}|[^])/y;
const QUANTIFIER = /(?:[*+?]|\{(\d+)(,(\d*))?\})(\??)/y;
const GROUP = /\((?:\?(?:<?[=!]|:|[a-z-]*:|<[^>=!]*>))?/y;

/** Parses what `new RegExp(source, 'u')` has accepted. */
export function parseRegex(source: string): Part {
  let at = 0;

  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found !== null) at += found[0].length;
    return found;
  };

  function choice(): Part {
    const options = [sequence()];
    while (source[at] === '|') {
      at++;
      options.push(sequence());
    }
    return options.length === 1 ? options[0]! : { type: 'choice', options };
  }

  function sequence(): Part {
    const parts: Part[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') {
      const part = atom();
      if (part === undefined) continue;
      const from = at;
      const found = match(QUANTIFIER);
      if (found === null) parts.push(part);
      else parts.push({ type: 'repeat', body: part, ...bounds(found), from, to: at, lazy: found[4] === '?' });
    }
    return parts.length === 1 ? parts[0]! : { type: 'sequence', parts };
  }

  /** Undefined for what takes no room: ^ $ \b \B. */
  function atom(): Part | undefined {
    const character = source[at]!;
    if (character === '^' || character === '$') {
      at++;
      return undefined;
    }
    if (character === '(') {
      const opening = match(GROUP)![0];
      const body = choice();
      at++;
      return /[=!]$/.test(opening) ? { type: 'look', body } : body;
    }
    if (character === '[') return { type: 'character', source: characterClass() };
    if (character === '\\') {
      const escape = match(ESCAPE)![0];
      if (escape === '\\b' || escape === '\\B') return undefined;
      return /^\\(?:[1-9]|k<)/.test(escape) ? { type: 'backreference' } : { type: 'character', source: escape };
    }
    const whole = String.fromCodePoint(source.codePointAt(at)!);
    at += whole.length;
    return { type: 'character', source: whole };
  }

  function characterClass(): string {
    const from = at++;
    while (source[at] !== ']') at += source[at] === '\\' ? 2 : 1;
    return source.slice(from, ++at);
  }

  return choice();
}

function bounds(found: RegExpExecArray): { least: number; most: number } {
  switch (found[0][0]) {
    case '*':
      return { least: 0, most: Infinity };
    case '+':
      return { least: 1, most: Infinity };
    case '?':
      return { least: 0, most: 1 };
    default: {
      const least = Number(found[1]);
      const most = found[2] === undefined ? least : found[3] === '' ? Infinity : Number(found[3]);
      return { least, most };
    }
  }
}
