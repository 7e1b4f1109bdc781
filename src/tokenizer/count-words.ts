import { LlmkitError } from '../core/errors.ts';
import { ByteWords, HASH_FACTOR, HASH_START, hashEnd, hashWord, type WordCounts } from './byte-words.ts';
import { buildNormalizer } from './normalize.ts';
import { type ByteScanner, scanGpt2Utf8, scanLlama3Utf8 } from './scan-utf8.ts';
import type { TrainBpeOptions } from './train.ts';
import { CLASSES, LETTER } from './unicode.ts';

const BLANK = 0x20;

const SCANNERS: Record<TrainBpeOptions['pretokenizer'], ByteScanner> = {
  gpt2: scanGpt2Utf8,
  llama3: (bytes, i, end) => scanLlama3Utf8(bytes, i, end, 3),
  qwen2: (bytes, i, end) => scanLlama3Utf8(bytes, i, end, 1),
};
const toNfc = buildNormalizer({ type: 'NFC' })!;
/** Only texts with a character from here on can change under NFC. */
const NEEDS_NFC = /[\u0300-\uffff]/;

/** Cuts the texts into words as the pre-tokenizer does and counts them. Throws `interrupted` when the signal aborts. */
export async function countWords(
  texts: Iterable<string> | AsyncIterable<string>,
  { pretokenizer, onProgress, signal }: Pick<TrainBpeOptions, 'pretokenizer' | 'onProgress' | 'signal'>,
): Promise<WordCounts> {
  const words = new ByteWords();
  const scanner = SCANNERS[pretokenizer];
  let read = 0;
  const count = (text: string): void => {
    if (signal?.aborted) throw new LlmkitError('interrupted', 'stopped while counting words');
    const normal = pretokenizer === 'qwen2' && NEEDS_NFC.test(text) ? toNfc(text) : text;
    countText(normal, scanner, words);
    if (++read % 1024 === 0) onProgress?.({ stage: 'count', current: read });
  };
  // A promise for every text would cost more than a short text does.
  if (Symbol.iterator in texts) for (const text of texts) count(text);
  else for await (const text of texts) count(text);
  onProgress?.({ stage: 'count', current: read, total: read });
  return words.result();
}

/**
 * Finds and counts the words. A blank and letters, or letters alone, are a word in all three patterns; they are hashed
 * while they are looked for. What is not so simple is left to the scanner.
 */
function countText(text: string, scanner: ByteScanner, words: ByteWords): void {
  const bytes = room(text);
  const end = bytes.write(text);
  bytes[end] = 0;
  for (let i = 0; i < end;) {
    let j = i;
    let hash = HASH_START;
    let byte = bytes[j]!;
    if (byte === BLANK) {
      hash = Math.imul(hash ^ byte, HASH_FACTOR);
      byte = bytes[++j]!;
    }
    const first = j;
    for (;;) {
      if (byte < 0x80) {
        if (CLASSES[byte] !== LETTER) break;
      } else if (byte < 0xe0) {
        const second = bytes[j + 1]!;
        if (CLASSES[((byte & 0x1f) << 6) | (second & 0x3f)] !== LETTER) break;
        hash = Math.imul(hash ^ byte, HASH_FACTOR);
        byte = second;
        j++;
      } else {
        if (byte >= 0xf0) break;
        const [second, third] = [bytes[j + 1]!, bytes[j + 2]!];
        if (CLASSES[((byte & 0x0f) << 12) | ((second & 0x3f) << 6) | (third & 0x3f)] !== LETTER) break;
        hash = Math.imul(Math.imul(hash ^ byte, HASH_FACTOR) ^ second, HASH_FACTOR);
        byte = third;
        j += 2;
      }
      hash = Math.imul(hash ^ byte, HASH_FACTOR);
      byte = bytes[++j]!;
    }
    if (j > first && byte < 0xf0) {
      words.add(bytes, i, j, hashEnd(hash), 1);
    } else {
      j = scanner(bytes, i, end);
      words.add(bytes, i, j, hashWord(bytes, i, j), 1);
    }
    i = j;
  }
}

let scratch = Buffer.allocUnsafe(1 << 16);

/** Memory for the UTF-8 of a text, where lone surrogates are U+FFFD, and a byte. The next call overwrites it. */
function room(text: string): Buffer {
  if (3 * text.length < scratch.length) return scratch;
  // One very long text must not pin its memory for good.
  if (text.length > 1 << 22) return Buffer.allocUnsafe(Buffer.byteLength(text) + 1);
  return (scratch = Buffer.allocUnsafe(2 ** Math.ceil(Math.log2(3 * text.length + 1))));
}
