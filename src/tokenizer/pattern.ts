/**
 * Oniguruma regular expressions, as tokenizer.json writes them, for JavaScript. The differences that matter:
 * `\s` is Unicode white space (JavaScript's has U+FEFF and lacks U+0085), `++`, `*+` and `?+` are possessive,
 * `(?i:...)` may stand inside, and escapes such as `\"` are allowed where JavaScript's `u` flag refuses them.
 */
export class UnsupportedPattern extends Error {}

/** The pattern as a global JavaScript RegExp. Throws `UnsupportedPattern` for syntax it does not know. */
export function translatePattern(pattern: string): RegExp {
  const source = new Translator(pattern).translate();
  try {
    return new RegExp(source, 'gu');
  } catch (error) {
    throw new UnsupportedPattern(`the pattern ${pattern} has no JavaScript equivalent`, { cause: error });
  }
}

const CLASS_ESCAPES: Record<string, string> = {
  s: String.raw`\p{White_Space}`,
  S: String.raw`\P{White_Space}`,
  d: String.raw`\p{Nd}`,
  D: String.raw`\P{Nd}`,
  // The superscripts and fractions of Latin-1 are a quirk of Oniguruma; other numbers of that kind are no word characters.
  w: String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u00b2\u00b3\u00b9\u00bc-\u00be`,
  h: '0-9A-Fa-f',
};
const KEPT_ESCAPES = /[rntfv0]/;
const GROUP_OPENINGS = ['(?:', '(?=', '(?!', '(?<=', '(?<!'];

class Translator {
  readonly #pattern: string;
  #at = 0;
  #groups = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  translate(): string {
    const source = this.#alternatives(false);
    if (this.#at < this.#pattern.length) throw this.#unsupported('an unmatched )');
    return source;
  }

  #alternatives(ignoreCase: boolean): string {
    let out = '';
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ')') {
      if (this.#pattern[this.#at] === '|') {
        out += '|';
        this.#at++;
      } else {
        out += this.#quantified(this.#atom(ignoreCase));
      }
    }
    return out;
  }

  #atom(ignoreCase: boolean): string {
    const char = this.#next();
    if (char === '(') return this.#group(ignoreCase);
    if (char === '[') return this.#class(ignoreCase);
    if (char === '\\') return this.#escape(false);
    // In Ruby's syntax these are the edges of lines.
    if (char === '^') return String.raw`(?<=^|\n)`;
    if (char === '$') return String.raw`(?=$|\n)`;
    if (char === '.') return String.raw`[^\n]`;
    if ('{}]/'.includes(char)) return `\\${char}`;
    if ('*+?'.includes(char)) throw this.#unsupported(`a ${char} with nothing before it`);
    const cases = ignoreCase ? bothCases(char) : char;
    return cases.length > char.length ? `[${cases}]` : char;
  }

  #group(ignoreCase: boolean): string {
    this.#at--;
    const rest = this.#pattern.slice(this.#at);
    let opening = GROUP_OPENINGS.find((candidate) => rest.startsWith(candidate));
    let inner = ignoreCase;
    let length = opening?.length ?? 0;
    if (opening === undefined) {
      if (rest.startsWith('(?i:')) [opening, inner, length] = ['(?:', true, 4];
      else if (rest.startsWith('(?>')) return this.#atomicGroup(ignoreCase);
      else if (!rest.startsWith('(?')) [opening, length] = ['(?:', 1];
      else throw this.#unsupported(`the group ${rest.slice(0, 4)}`);
    }
    this.#at += length;
    return `${opening}${this.#closed(inner)})`;
  }

  #atomicGroup(ignoreCase: boolean): string {
    this.#at += 3;
    return this.#atomic(this.#closed(ignoreCase));
  }

  #closed(ignoreCase: boolean): string {
    const body = this.#alternatives(ignoreCase);
    if (this.#pattern[this.#at] !== ')') throw this.#unsupported('a group that is not closed');
    this.#at++;
    return body;
  }

  /** What matched in a lookahead is never given back: that makes the reference to it atomic. */
  #atomic(source: string): string {
    const name = `atomic${this.#groups++}`;
    return String.raw`(?:(?=(?<${name}>${source}))\k<${name}>)`;
  }

  #quantified(atom: string): string {
    const rest = this.#pattern.slice(this.#at);
    const quantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})/.exec(rest)?.[0];
    if (quantifier === undefined) return atom;
    this.#at += quantifier.length;
    const source = atom + quantifier.replace('{,', '{0,');
    const suffix = this.#pattern[this.#at];
    if (suffix === '?') {
      this.#at++;
      return `${source}?`;
    }
    // After braces Oniguruma's + is not possessive: it repeats the whole again.
    if (suffix !== '+') return source;
    this.#at++;
    return quantifier.startsWith('{') ? `(?:${source})+` : this.#atomic(source);
  }

  #class(ignoreCase: boolean): string {
    let out = '[';
    if (this.#pattern[this.#at] === '^') out += this.#next();
    for (;;) {
      if (this.#at >= this.#pattern.length) throw this.#unsupported('a [ that is not closed');
      const char = this.#next();
      if (char === ']') return `${out}]`;
      if (char === '[' || (char === '&' && this.#pattern[this.#at] === '&')) {
        throw this.#unsupported('a character class inside another');
      }
      if (char === '\\') out += this.#escape(true);
      else if (ignoreCase && this.#pattern[this.#at] === '-') throw this.#unsupported('a range that ignores case');
      else if ('^(){}|/$.*+?'.includes(char)) out += `\\${char}`;
      else out += ignoreCase ? bothCases(char) : char;
    }
  }

  #escape(inClass: boolean): string {
    const char = this.#next();
    const known = CLASS_ESCAPES[char];
    if (known !== undefined) return inClass ? known : `[${known}]`;
    if (char === 'W' && !inClass) return `[^${CLASS_ESCAPES['w']}]`;
    if (char === 'p' || char === 'P') return this.#property(char);
    if (KEPT_ESCAPES.test(char)) return `\\${char}`;
    if (char === 'b' || char === 'B' || /[0-9a-zA-Z]/.test(char)) {
      const hex = /^(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|x\{([0-9a-fA-F]{1,6})\})/.exec(char + this.#rest());
      if (hex === null) throw this.#unsupported(`the escape \\${char}`);
      this.#at += hex[0].length - 1;
      return String.raw`\u{${hex[1] ?? hex[2] ?? hex[3]}}`;
    }
    return /[\^$\\.*+?()[\]{}|/-]/.test(char) ? (char === '-' && !inClass ? char : `\\${char}`) : char;
  }

  #property(letter: string): string {
    const match = /^\{(\^?)(\w+)\}/.exec(this.#rest());
    if (match === null) throw this.#unsupported(`\\${letter} without {name}`);
    this.#at += match[0].length;
    const negated = (letter === 'P') !== (match[1] === '^');
    for (const name of [match[2], `Script=${match[2]}`]) {
      const source = `\\${negated ? 'P' : 'p'}{${name}}`;
      if (isPattern(source)) return source;
    }
    throw this.#unsupported(`the property ${match[2]}`);
  }

  #rest(): string {
    return this.#pattern.slice(this.#at);
  }

  #next(): string {
    const code = this.#pattern.codePointAt(this.#at);
    if (code === undefined) throw this.#unsupported('a \\ at its end');
    const char = String.fromCodePoint(code);
    this.#at += char.length;
    return char;
  }

  #unsupported(what: string): UnsupportedPattern {
    return new UnsupportedPattern(`the pattern ${this.#pattern} has ${what}`);
  }
}

function isPattern(source: string): boolean {
  try {
    return new RegExp(source, 'u').source.length > 0;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** A letter with all single characters that fold to it. */
function bothCases(char: string): string {
  const folds: Record<string, string> = { s: '\u017f', k: '\u212a', å: '\u212b' };
  const lower = char.toLowerCase();
  const upper = char.toUpperCase();
  if ([...lower].length > 1 || [...upper].length > 1) throw new UnsupportedPattern(`${char} folds to several letters`);
  return [...new Set([char, lower, upper, ...(folds[lower] ?? '')])].join('');
}
