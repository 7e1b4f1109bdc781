// What the generators of the sample data share: seeded choices, the grammar's text form, and a measure of likeness.

/** Mulberry32: uniform numbers in [0, 1) from a 32-bit seed. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function pick(next, items) {
  return items[Math.floor(next() * items.length)];
}

export function chance(next, probability) {
  return next() < probability;
}

/** Fisher-Yates, in place; returns the array. */
export function shuffle(next, items) {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}

/**
 * Reads the text form that the head of grammar.en.txt explains:
 * {language, slots: Map<name, string[]>, intents: Map<name, {patterns, sequels, replies}>}.
 */
export function parseGrammar(text, language) {
  const slots = new Map();
  const intents = new Map();
  let current;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const rest = line.slice(2).trim();
    const slot = /^\$(\w+) = (.+)$/.exec(line);
    if (line === '' || line.startsWith('#')) continue;
    if (slot) {
      slots.set(
        slot[1],
        slot[2].split(' | ').map((choice) => choice.trim()),
      );
    } else if (line.startsWith('==')) {
      current = { patterns: [], sequels: [], replies: [] };
      intents.set(rest, current);
    } else if (current && line.startsWith('? ')) current.patterns.push(rest);
    else if (current && line.startsWith('+ ')) current.sequels.push(rest);
    else if (current && line.startsWith('> ')) current.replies.push(rest);
    else throw new Error(`grammar.${language}.txt:${index + 1}: cannot read "${line}"`);
  }
  return { language, slots, intents };
}

/** Fills every {choice|choice} and {$slot}, innermost first, and tidies the blanks an empty choice leaves. */
export function expand(next, grammar, pattern) {
  let text = pattern;
  for (;;) {
    const hole = /\{([^{}]*)\}|\$(\w+)/.exec(text);
    if (!hole) break;
    const name = hole[2] ?? /^\$(\w+)$/.exec(hole[1])?.[1];
    const choices = name === undefined ? hole[1].split('|') : grammar.slots.get(name);
    if (!choices) throw new Error(`grammar.${grammar.language}.txt: no slot $${name}`);
    text = text.slice(0, hole.index) + pick(next, choices) + text.slice(hole.index + hole[0].length);
  }
  return text
    .replace(/ +/g, ' ')
    .replace(/ ([,.?!])/g, '$1')
    .trim();
}

function ngrams(text, size) {
  const bare = text.toLowerCase().replace(/[^\p{L}\p{N} ]/gu, '');
  const letters = [...bare];
  const grams = new Set();
  for (let i = 0; i + size <= letters.length; i++) grams.add(letters.slice(i, i + size).join(''));
  if (grams.size === 0) grams.add(bare);
  return grams;
}

/** Share of the n-grams of `part` that `whole` has: three letters, or two Chinese characters. */
export function contained(part, whole, language) {
  const size = language === 'zh' ? 2 : 3;
  const inner = ngrams(part, size);
  const outer = ngrams(whole, size);
  return [...inner].filter((gram) => outer.has(gram)).length / inner.size;
}

/** Jaccard of character n-grams, case and punctuation aside: five letters of English, three characters of Chinese. */
export function similarity(a, b, language) {
  const size = language === 'zh' ? 3 : 5;
  const left = ngrams(a, size);
  const right = ngrams(b, size);
  let shared = 0;
  for (const gram of left) if (right.has(gram)) shared++;
  return shared / (left.size + right.size - shared);
}
