/** Documents with planted near-duplicates, of real text. */
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const TEXT = /\.(txt|md|rst|jsonl)$/;
const PLANTED = 1 / 3;

/**
 * Writes `count` documents as jsonl, {"id": row, "text": ...}, in an order that is shuffled.
 *
 * @returns texts, the family (row of the original) of each row, and planted: [row of the copy, row of the original].
 */
export function writeCorpus(paths, count, file) {
  const random = randomNumbers(20);
  const files = paths.flatMap(filesIn).toSorted();
  if (files.length === 0) throw new Error('--text names no file: .txt, .md, .rst, .jsonl or folders of them');
  const sentences = differentSentences(files);
  const originals = Math.round(count * (1 - PLANTED));
  const characters = sentences.reduce((sum, sentence) => sum + sentence.length, 0);
  // A document ends with the sentence that reaches its length: half a sentence more than asked for.
  const mean = Math.min(4000, characters / originals - characters / sentences.length / 2);
  const texts = [];
  const families = [];
  // Lengths vary as lengths of documents do: log-normal, here with a standard deviation of 0.7.
  for (let at = 0; texts.length < originals;) {
    const target = mean * Math.exp(0.7 * normal(random) - 0.7 ** 2 / 2);
    const parts = [];
    for (let length = 0; at < sentences.length && length < target; at++) {
      parts.push(sentences[at]);
      length += sentences[at].length + 1;
    }
    if (parts.length === 0) break;
    families.push(texts.length);
    texts.push(parts.join(' '));
  }
  const copied = Math.round((texts.length * PLANTED) / (1 - PLANTED));
  const base = texts.length;
  for (let i = 0; i < copied; i++) {
    const original = Math.floor(random() * base);
    families.push(original);
    texts.push(copyOf(texts[original], random));
  }
  const order = shuffled(texts.length, random);
  const rowOf = new Uint32Array(texts.length);
  for (const [row, index] of order.entries()) rowOf[index] = row;
  const fd = openSync(file, 'w');
  let bytes = 0;
  let lines = [];
  for (const [row, index] of order.entries()) {
    lines.push(`${JSON.stringify({ id: row, text: texts[index] })}\n`);
    if (lines.length < 1000 && row + 1 < order.length) continue;
    bytes += writeSync(fd, lines.join(''));
    lines = [];
  }
  closeSync(fd);
  return {
    texts: Array.from(order, (index) => texts[index]),
    family: Uint32Array.from(order, (index) => rowOf[families[index]]),
    planted: Array.from({ length: copied }, (_, i) => [rowOf[base + i], rowOf[families[base + i]]]),
    bytes,
    sentences: sentences.length,
    files: files.length,
  };
}

/** As people and crawlers change texts; how much differs from copy to copy. */
function copyOf(text, random) {
  const kind = Math.floor(random() * 5);
  const spaced = text.split(' ').length > text.length / 20;
  const units = spaced ? text.split(' ') : [...text];
  const joint = spaced ? ' ' : '';
  if (kind === 0) {
    const changes = 1 + Math.floor(random() * units.length * 0.03);
    for (let i = 0; i < changes; i++)
      units[Math.floor(random() * units.length)] = units[Math.floor(random() * units.length)];
    return units.join(joint);
  }
  if (kind === 1) {
    const at = Math.floor(random() * units.length);
    const from = Math.floor(random() * units.length);
    const length = Math.max(1, Math.floor(units.length * 0.12 * random()));
    return [...units.slice(0, at), ...units.slice(from, from + length), ...units.slice(at)].join(joint);
  }
  if (kind === 2) return units.slice(0, Math.ceil(units.length * (0.8 + 0.2 * random()))).join(joint);
  if (kind === 3) return text.toUpperCase().replaceAll('.', ' . ').replaceAll('，', '、');
  return `${text} Page ${Math.floor(random() * 1e6)}, last changed on ${Math.floor(random() * 28) + 1}/${Math.floor(random() * 12) + 1}.`;
}

function filesIn(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || (entry.isFile() && TEXT.test(entry.name)))
    .flatMap((entry) => filesIn(join(path, entry.name)));
}

/** Sentences and lines of at least 24 bytes, in order; one that came before in any file is left out. */
function differentSentences(files) {
  const seen = new Set();
  const sentences = [];
  for (const file of files) {
    let text = readFileSync(file, 'utf8');
    if (file.endsWith('.jsonl')) {
      const strings = (line) => Object.values(JSON.parse(line)).filter((value) => typeof value === 'string');
      text = text.split('\n').filter(Boolean).flatMap(strings).join('\n');
    }
    for (const sentence of text.split(/(?<=[.!?]) +|(?<=[。！？])|\n/)) {
      const trimmed = sentence.trim();
      if (Buffer.byteLength(trimmed) < 24) continue;
      // Numbers and markup aside, so that table rows and version lists do not make families of their own.
      const key = trimmed.toLowerCase().replaceAll(/[^\p{L}]+/gu, ' ');
      if (key.length < 12 || seen.has(key)) continue;
      seen.add(key);
      // A copy: a slice would keep the whole file in memory.
      sentences.push(Buffer.from(trimmed).toString());
    }
  }
  return sentences;
}

function shuffled(count, random) {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** mulberry32 */
export function randomNumbers(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
