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

/** Reads the text form that the head of corpus/source/bank.en.txt explains: {language, slots, topics: {title, tag, sentences}[]}. */
export function parseTopics(text, language) {
  const asGrammar = text.replace(/^# .*$/gm, '').replace(/^- /gm, '? ');
  const { slots, intents } = parseGrammar(asGrammar, language);
  const topics = [...intents].map(([head, { patterns }]) => {
    const [title, tag = title.replaceAll(' ', '_')] = head.split(' = ');
    return { title, tag, sentences: patterns };
  });
  return { language, slots, topics };
}

/**
 * Fills every {choice|choice} and {$slot}, innermost first, and tidies the blanks an empty choice leaves.
 * {@slot} and {@slot.1} (the part after the first "/") keep one choice for as long as `bound` is the same map.
 */
export function expand(next, grammar, pattern, bound = new Map()) {
  const choicesOf = (name) => {
    const choices = grammar.slots.get(name);
    if (!choices) throw new Error(`${grammar.language} grammar: no slot $${name}`);
    return choices;
  };
  const fill = (hole) => {
    const [, name] = /^\$(\w+)$/.exec(hole) ?? [];
    if (name !== undefined) return pick(next, choicesOf(name));
    const [, kept, part] = /^@(\w+)(?:\.(\d))?$/.exec(hole) ?? [];
    if (kept === undefined) return pick(next, hole.split('|'));
    if (!bound.has(kept)) bound.set(kept, pick(next, choicesOf(kept)).split('/'));
    return bound.get(kept)[Number(part ?? 0)];
  };
  let text = pattern;
  for (let hole; (hole = /\{([^{}]*)\}|(\$\w+)/.exec(text));) {
    text = text.slice(0, hole.index) + fill(hole[1] ?? hole[2]) + text.slice(hole.index + hole[0].length);
  }
  return text
    .replace(/ +/g, ' ')
    .replace(/ ([,.?!])/g, '$1')
    .trim();
}

// Both look at the last clause.
const ENGLISH_QUESTION =
  /(^|[,.!?] )(any|who|what|what's|why|how|when|where|which|can|could|may|do|does|did|is|are|was|has|will|would|should|if)\b[^,.!?]*(, (when|am|do|is)\b.*)?$/i;
const CHINESE_QUESTION = /(吗|怎么|什么|多久|多长|哪|几|多少|(.)不\2|有没有|谁|了没有)[^，。！]*$/u;

/** What ends a sentence that has no mark yet: a question mark if its last clause asks, otherwise a full stop. */
export function endMark(text, language) {
  if (language === 'zh') return CHINESE_QUESTION.test(text) ? '？' : '。';
  return ENGLISH_QUESTION.test(text) ? '?' : '.';
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
