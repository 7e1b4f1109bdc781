/** Small deterministic random numbers (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

const UNSPACED =
  '\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u3005-\\u3007\\u3040-\\u318f\\u31a0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9f\\u{20000}-\\u{3ffff}';
const WORD = new RegExp(`[${UNSPACED}]|(?:(?![${UNSPACED}])[\\p{L}\\p{Mc}0])+`, 'gu');

/** The words of a text by regular expressions and string functions: slow, and independent of the scanner. */
export function referenceWords(text: string): string[] {
  const folded = text
    .toLowerCase()
    .normalize('NFD')
    .replace(/[\p{Mn}\p{Me}\p{Cf}]/gu, '')
    .normalize('NFC')
    .replace(/\p{N}+/gu, '0');
  return folded.match(WORD) ?? [];
}

export function shingles(text: string, ngram: number): Set<string> {
  const words = referenceWords(text);
  if (words.length === 0) return new Set();
  const found = new Set<string>();
  for (let i = 0; i + ngram <= words.length; i++) found.add(words.slice(i, i + ngram).join(' '));
  return found.size > 0 ? found : new Set([words.join(' ')]);
}

export function jaccard(a: Set<string>, b: Set<string>): number {
  let common = 0;
  for (const item of a) if (b.has(item)) common++;
  return common / (a.size + b.size - common);
}

const SYLLABLES = 'ba ce di fo gu ha ke li mo nu pa re si to vu wa ye zo tra ble sti'.split(' ');

/** Texts of random words, the frequent ones more often. */
export function english(random: Random, words: number): string {
  let text = '';
  for (let i = 0; i < words; i++) {
    // A vocabulary of 3,000 with about Zipf's frequencies.
    const rank = Math.floor(3000 ** random.next());
    let word = '';
    for (let rest = rank + 40; rest > 0; rest = Math.floor(rest / SYLLABLES.length))
      word += SYLLABLES[rest % SYLLABLES.length]!;
    text += i === 0 ? word : random.below(12) === 0 ? `. ${word}` : ` ${word}`;
  }
  return `${text}.`;
}

/** Texts of random Han characters with full-width punctuation, and a Latin word now and then. */
export function chinese(random: Random, characters: number): string {
  let text = '';
  for (let i = 0; i < characters; i++) {
    text += String.fromCharCode(0x4e00 + Math.floor(3000 ** random.next()));
    if (random.below(15) === 0) text += '，';
    if (random.below(40) === 0) text += ` ${random.pick(SYLLABLES)} `;
  }
  return `${text}。`;
}

/** Near-duplicates as people make them. */
export const EDITS: Record<string, (text: string, random: Random) => string> = {
  'another word': (text, random) => edited(text, random, 1),
  'three other words': (text, random) => edited(text, random, 3),
  'an insertion': (text, random) => {
    const at = random.below(text.length);
    return `${text.slice(0, at)} inserted by ${random.below(1e6)} hand ${text.slice(at)}`;
  },
  'a truncation': (text, random) => text.slice(0, Math.floor(text.length * (0.8 + 0.19 * random.next()))),
  'case and punctuation': (text) => text.toUpperCase().replaceAll('.', ' -- ').replaceAll('，', '、'),
};

function edited(text: string, random: Random, times: number): string {
  const units =
    text.includes(' ') && /[a-z]{20}/.test(text.replaceAll(' ', '').slice(0, 40)) ? text.split(' ') : [...text];
  const joint = text.includes(' ') && units.length < text.length / 2 ? ' ' : '';
  for (let i = 0; i < times; i++) units[random.below(units.length)] = joint === '' ? '龘' : 'changed';
  return units.join(joint);
}
