import { LlmkitError } from '../core/errors.ts';
import { utf16Units, wellFormed } from './byte-level.ts';
import { GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN, scannerFor } from './scan.ts';
import type { TrainBpeOptions } from './train.ts';
import { grown, WordTable } from './word-table.ts';

/** The different words of a corpus and how often each occurs. Counts are doubles: exact to 2^53. */
export interface WordCounts {
  words: WordTable;
  counts: Float64Array;
}

const PATTERNS = { gpt2: GPT2_PATTERN, llama3: LLAMA3_PATTERN, qwen2: QWEN2_PATTERN };

/** Cuts the texts into words as the pre-tokenizer does and counts them. */
export async function countWords(
  texts: Iterable<string> | AsyncIterable<string>,
  { pretokenizer, onProgress, signal }: Pick<TrainBpeOptions, 'pretokenizer' | 'onProgress' | 'signal'>,
): Promise<WordCounts> {
  const scanner = scannerFor(PATTERNS[pretokenizer])!;
  const words = new WordTable();
  let counts = new Float64Array(1 << 11);
  let read = 0;
  for await (const raw of texts) {
    if (signal?.aborted) throw new LlmkitError('interrupted', 'stopped while counting words');
    const text = pretokenizer === 'qwen2' ? wellFormed(raw).normalize('NFC') : wellFormed(raw);
    const units = utf16Units(text);
    const end = text.length;
    for (let i = 0; i < end;) {
      const wordEnd = scanner(units, i, end);
      const index = words.intern(units, i, wordEnd);
      if (index === counts.length) counts = grown(counts, index + 1);
      counts[index]! += 1;
      i = wordEnd;
    }
    read++;
    if (read % 1024 === 0) onProgress?.({ stage: 'count', current: read });
  }
  onProgress?.({ stage: 'count', current: read, total: read });
  return { words, counts: counts.subarray(0, words.size) };
}
