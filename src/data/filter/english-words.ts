/**
 * Splits what stands between two white spaces into words and marks, after the rules that spaCy's English tokenizer is
 * documented to follow: marks come off both ends, contractions and units part, hyphens, slashes and commas between
 * letters part, abbreviations and addresses stay whole. See docs of `Vocabulary` for where it may differ.
 */

const ICON = '\\p{So}';
const CURRENCY = '$£€¥฿\\u20a0-\\u20bf\\ufdfc';
const PUNCTUATION = '…,:;!?¿؟¡()\\[\\]{}<>_#*&。？！，、；：～·।،۔؛٪';
const QUOTES = '\'"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧';

const PREFIX = new RegExp(`\\.\\.+|(?:US|C|A)\\$|\\+(?![0-9])|[§%=—–${PUNCTUATION}${QUOTES}${CURRENCY}]|${ICON}`, 'uy');
const SUFFIX_MARK = new RegExp(`^(?:[—–${PUNCTUATION}${QUOTES}]|${ICON})$`, 'u');
const CURRENCY_MARK = new RegExp(`^[${CURRENCY}]$`, 'u');
const UNIT =
  /(?<=[0-9])(?:[kdcm]?m[²³]?|ha|[µn]m|yd|in|ft|[km]?g|µg|t|lb|oz|k?m\/s|km\/h|kmh|mph|[hk]?Pa|mbar|mb|M[Bb]?|[KkGgTt]b|[KGT]B|[TGK%])$/u;
const STOP_AFTER = new RegExp(`^[0-9\\p{Ll}\\p{Lo}%²\\-+|${PUNCTUATION}${QUOTES}]$`, 'u');
const DEGREES = /°[FCKfck]$/;
const TWO_CAPITALS = /[\p{Lu}\p{Lo}]{2}$/u;
const INFIX = new RegExp(
  [
    `\\.\\.+|…|${ICON}`,
    '(?<=[0-9])[+\\-*^](?=[0-9-])',
    `(?<=[\\p{Ll}\\p{Lo}${QUOTES}])\\.(?=[\\p{Lu}\\p{Lo}${QUOTES}])`,
    '(?<=\\p{L}),(?=\\p{L})',
    '(?<=[\\p{L}0-9])(?:-{1,3}|–|—{1,2}|~)(?=\\p{L})',
    '(?<=[\\p{L}0-9])[:<>=/](?=\\p{L})',
  ].join('|'),
  'gu',
);
/** With or without scheme and user; the host ends in small letters. */
const ADDRESS =
  /^(?:[\w+.-]{2,}:\/\/)?(?:[^\s@]+@)?(?:[A-Za-z0-9\u00a1-\uffff][A-Za-z0-9\u00a1-\uffff_-]{0,62}\.)+[\p{Ll}\p{Lo}]{2,63}(?::\d{2,5})?(?:[/?#]\S*)?$/u;
/** Longer ones are addresses only with a scheme: the pattern tries many ways to split what is not one. */
const LONGEST_ADDRESS = 256;

/** Appends the words of `chunk`, a text without white space, to `out`. */
export function splitChunk(chunk: string, out: string[]): void {
  const words: string[] = [];
  split(chunk, words);
  for (let i = 0; i < words.length;) i += joinKnown(words, i, out);
}

/** Marks and words in a row that are a known chunk together, as the `):` of `f(x):`, are that chunk after all. */
function joinKnown(words: readonly string[], at: number, out: string[]): number {
  for (let count = Math.min(MOST_PARTS, words.length - at); count > 1; count--) {
    const joined = words.slice(at, at + count).join('');
    const known = joined.length <= LONGEST_KNOWN ? KNOWN.get(joined) : undefined;
    if (known === undefined) continue;
    out.push(...known);
    return count;
  }
  out.push(words[at]!);
  return 1;
}

function split(chunk: string, out: string[]): void {
  let start = 0;
  let end = chunk.length;
  const tail: string[] = [];
  while (start < end) {
    const known = end - start <= LONGEST_KNOWN ? KNOWN.get(chunk.slice(start, end)) : undefined;
    if (known !== undefined) {
      out.push(...known);
      start = end;
      break;
    }
    const prefix = prefixLength(chunk, start);
    if (prefix > 0) {
      const to = Math.min(start + prefix, end);
      out.push(chunk.slice(start, to));
      start = to;
      continue;
    }
    const suffix = suffixLength(chunk, start, end);
    if (suffix === 0) break;
    tail.push(chunk.slice(end - suffix, end));
    end -= suffix;
  }
  if (start < end) splitInside(chunk.slice(start, end), out);
  for (let i = tail.length - 1; i >= 0; i--) out.push(tail[i]!);
}

function prefixLength(chunk: string, at: number): number {
  PREFIX.lastIndex = at;
  return PREFIX.test(chunk) ? PREFIX.lastIndex - at : 0;
}

function suffixLength(chunk: string, start: number, end: number): number {
  const last = lastCharacter(chunk, end);
  if (last === '.') {
    let from = end - 1;
    while (from > start && chunk[from - 1] === '.') from--;
    if (end - from > 1) return end - from;
    if (end - 1 === start) return 0;
    const before = lastCharacter(chunk, end - 1);
    if (DEGREES.test(chunk.slice(Math.max(start, end - 3), end - 1))) return 1;
    return STOP_AFTER.test(before) || TWO_CAPITALS.test(chunk.slice(Math.max(start, end - 5), end - 1)) ? 1 : 0;
  }
  if ((last === 's' || last === 'S') && end - start > 2 && "'’".includes(chunk[end - 2]!)) return 2;
  if (last === '…' && end - start > 1 && chunk[end - 2] === '…') return 2;
  if (SUFFIX_MARK.test(last)) return last.length;
  const digit = end - start > 1 && /[0-9]/.test(chunk[end - 2]!);
  if (digit && (last === '+' || CURRENCY_MARK.test(last))) return 1;
  const unit = UNIT.exec(chunk.slice(Math.max(start, end - 6), end));
  return unit === null ? 0 : unit[0].length;
}

function lastCharacter(chunk: string, end: number): string {
  const pair = end > 1 && (chunk.charCodeAt(end - 1) & 0xfc00) === 0xdc00;
  return chunk.slice(end - (pair ? 2 : 1), end);
}

function splitInside(rest: string, out: string[]): void {
  const address =
    rest.length <= LONGEST_ADDRESS ? rest.includes('.') && ADDRESS.test(rest) : /^\w{2,10}:\/\//.test(rest);
  if (address) {
    out.push(rest);
    return;
  }
  let from = 0;
  for (const match of rest.matchAll(INFIX)) {
    if (match.index === 0) continue;
    if (match.index > from) out.push(rest.slice(from, match.index));
    out.push(match[0]);
    from = match.index + match[0].length;
  }
  if (from < rest.length) out.push(rest.slice(from));
}

/** Words that keep their full stop or apostrophe, and the commonest emoticons. */
const ABBREVIATIONS =
  'a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. Mt. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. ' +
  'Jan. Feb. Mar. Apr. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec. Ak. Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga. Ia. Id. Ill. Ind. Kan. Kans. Ky. La. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa. S.C. Tenn. Va. Wash. Wis. ' +
  "and/or w/o o'clock O'clock ma'am Ma'am 'cause 'Cause 'cos 'cuz 'bout 'em 'll 're 's 'S 'd doin' goin' nothin' ol' C++ :) :-) (: :( :-( ): ;) ;-) (; :D :-D :P :-P :p :/ :-/ :| :-| :* :-* :o :O :0 :1 :3 :> :x :X :] [: :} =) (= =( )= =] [= =/ =| =D 8) 8D ;D xD XD <3 </3 ^_^ -_- o_o o.o '' :') :'(";

/** Chunks that split in a way of their own, or do not where the rules would. */
const KNOWN = knownChunks();
const MOST_PARTS = 4;
const LONGEST_KNOWN = Math.max(...[...KNOWN.keys()].map((chunk) => chunk.length));

function knownChunks(): Map<string, string[]> {
  const known = new Map<string, string[]>();
  const add = (...parts: string[]) => {
    known.set(parts.join(''), parts);
    if (parts.some((part) => part.includes("'"))) {
      const curly = parts.map((part) => part.replaceAll("'", '’'));
      known.set(curly.join(''), curly);
    }
  };
  const capital = (word: string) => word[0]!.toUpperCase() + word.slice(1);
  /** word + 'll and, written carelessly, word + ll; both with a capital, too. */
  const contract = (words: string, endings: string[]) => {
    for (const small of words.split(' ')) {
      for (const word of [small, capital(small)]) {
        for (const ending of endings) {
          const parts = ending.split(/(?=')/);
          add(word, ...parts);
          add(word, ...parts.map((part) => part.replaceAll("'", '')));
        }
      }
    }
  };
  contract('i', ["'m"]);
  contract('i you he she it we they', ["'ll", "'ll've", "'d", "'d've"]);
  contract('i you we they', ["'ve"]);
  contract('you we they', ["'re"]);
  contract('he she it', ["'s"]);
  contract('who what when where why how there that this', ["'s"]);
  contract('who what when where why how there that this these those', ["'ll", "'ll've", "'d", "'d've"]);
  contract('who what when where why how there these those', ["'re", "'ve"]);
  contract('could might must should would', ["'ve"]);
  const verbs =
    'ca could do does did had may might must need ought sha should wo would ai are is was were have has dare';
  for (const verb of verbs.split(' ')) {
    for (const word of [verb, capital(verb)]) {
      add(word, "n't");
      add(word, 'nt');
      add(word, "n't", "'ve");
    }
  }
  for (const word of [
    'Ill',
    'ill',
    'Its',
    'its',
    'Hell',
    'hell',
    'Shell',
    'shell',
    'Shed',
    'shed',
    'were',
    'Were',
    'Well',
    'well',
  ]) {
    known.delete(word);
  }
  for (const [first, second] of [
    ['can', 'not'],
    ['gon', 'na'],
    ['got', 'ta'],
    ['let', "'s"],
    ["c'm", 'on'],
  ] as const) {
    add(first, second);
    add(capital(first), second);
  }
  add('y', 'all');
  add("y'", 'all');
  for (let hour = 1; hour <= 12; hour++) {
    for (const half of ['a.m.', 'am', 'p.m.', 'pm']) add(String(hour), half);
  }
  for (const word of ABBREVIATIONS.split(' ')) add(word);
  for (const letter of 'abcdefghijklmnopqrstuvwxyz') add(`${letter}.`);
  return known;
}
