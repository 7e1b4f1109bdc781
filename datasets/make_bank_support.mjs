// Writes the bank-support sample (train.jsonl, test.jsonl) from its two grammars.
// Run: node datasets/make_bank_support.mjs [--out <dir>]. The same bytes every time: the seed is fixed.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chance, contained, endMark, expand, parseGrammar, pick, random, shuffle, similarity } from './grammar.mjs';

const SEED = 20240607;
const TRAIN_ROWS = 25;
const TEST_ROWS = 5;
// A new row may share this much of its character n-grams with another row of its split, or of the other split.
const MAX_WITHIN = 0.6;
const MAX_ACROSS = 0.45;
// A second sentence may repeat this much of the first.
const MAX_REPEAT = 0.3;
// How often a second sentence on the same matter follows the first.
const SEQUEL = 0.8;
const COMPLAINTS = new Set([
  'card_declined',
  'card_arrival',
  'transfer_failed',
  'transfer_timing',
  'dispute_charge',
  'close_account',
  'update_address',
]);

const folder = join(dirname(fileURLToPath(import.meta.url)), 'bank-support');

/** Swaps two neighbouring letters inside one longer word. */
function typo(next, text) {
  const words = [...text.matchAll(/[A-Za-z]{5,}/g)];
  if (words.length === 0) return text;
  const word = pick(next, words);
  const at = word.index + 1 + Math.floor(next() * (word[0].length - 2));
  return text.slice(0, at) + text[at + 1] + text[at] + text.slice(at + 2);
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function englishMessage(next, grammar, intent, core, sequel) {
  let text = core;
  if (!/[?!.]$/.test(text)) {
    text += sequel !== '' || chance(next, 0.8) ? endMark(text, 'en') : '';
  }
  if (sequel !== '') text += ` ${sequel}`;
  const angry = COMPLAINTS.has(intent) && chance(next, 0.15);
  if (angry || chance(next, 0.35)) {
    const opener = expand(next, grammar, angry ? '{$angry}' : '{$open}');
    text = `${opener} ${opener.endsWith('.') ? capital(text) : text}`;
  }
  if (/[?!.]$/.test(text) && chance(next, 0.15)) text += ` ${expand(next, grammar, '{$close}')}`;
  text = capital(text).replace(/[.?!] [a-z]/g, (start) => start.toUpperCase());
  if (chance(next, 0.06)) text = typo(next, text);
  return chance(next, 0.12) ? text.toLowerCase() : text;
}

function chineseMessage(next, grammar, intent, core, sequel) {
  let text = core;
  if (!/[？！。?!]$/u.test(text)) {
    text += sequel !== '' || chance(next, 0.75) ? endMark(text, 'zh') : '';
  } else if (text.endsWith('?')) {
    text = `${text.slice(0, -1)}？`;
  }
  text += sequel;
  const angry = COMPLAINTS.has(intent) && chance(next, 0.15);
  if (angry || chance(next, 0.35)) text = expand(next, grammar, angry ? '{$angry}' : '{$open}') + text;
  if (/[？！。]$/u.test(text) && chance(next, 0.15)) text += expand(next, grammar, '{$close}');
  return text;
}

/** One split of one intent: every pattern once, then again while a new filling differs enough. */
function makeRows(next, grammar, intent, patterns, sequels, count, others) {
  const message = grammar.language === 'zh' ? chineseMessage : englishMessage;
  const rows = [];
  for (let attempt = 0; rows.length < count; attempt++) {
    if (attempt > 4000) throw new Error(`${intent}/${grammar.language}: not enough phrasings`);
    const pattern = patterns[attempt % patterns.length];
    const core = expand(next, grammar, pattern);
    const sequel = chance(next, SEQUEL) ? expand(next, grammar, pick(next, sequels)) : '';
    if (sequel !== '' && contained(sequel, core, grammar.language) > MAX_REPEAT) continue;
    const content = message(next, grammar, intent, core, sequel);
    const near = (limit) => (row) => similarity(row, content, grammar.language) > limit;
    if (rows.some(near(MAX_WITHIN)) || others.some(near(MAX_ACROSS))) continue;
    rows.push(content);
  }
  return rows;
}

function makeSplits() {
  const splits = { train: [], test: [] };
  const next = random(SEED);
  for (const language of ['en', 'zh']) {
    const text = readFileSync(join(folder, `grammar.${language}.txt`), 'utf8');
    const grammar = parseGrammar(text, language);
    for (const [intent, { patterns, sequels, replies }] of grammar.intents) {
      // A training row may use a held-out row's pattern, as long as the two sentences are far enough apart.
      const shuffled = shuffle(next, [...patterns]);
      const rows = (own, count, others) => makeRows(next, grammar, intent, own, sequels, count, others);
      const test = rows(shuffled.slice(0, TEST_ROWS), TEST_ROWS, []);
      const train = rows(shuffle(next, shuffled), TRAIN_ROWS, test);
      const toRow = (content) => ({
        messages: [
          { role: 'user', content },
          { role: 'assistant', content: `[${intent}] ${pick(next, replies)}` },
        ],
        intent,
        language,
      });
      splits.train.push(...train.map(toRow));
      splits.test.push(...test.map(toRow));
    }
  }
  return { train: shuffle(next, splits.train), test: shuffle(next, splits.test) };
}

const outFlag = process.argv.indexOf('--out');
const out = outFlag < 0 ? folder : process.argv[outFlag + 1];
mkdirSync(out, { recursive: true });
for (const [name, rows] of Object.entries(makeSplits())) {
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  writeFileSync(join(out, `${name}.jsonl`), lines);
  process.stdout.write(`${name}.jsonl: ${rows.length} rows\n`);
}
