import { LlmkitError } from '../core/errors.ts';
import { BYTE_TO_CHAR } from './byte-level.ts';
import type { WordCounts } from './byte-words.ts';
import { MergeCorpus } from './merge-corpus.ts';
import type { TrainBpeOptions } from './train.ts';

/**
 * Learns merges from word counts. `tokens` and `ids` hold the special tokens and bytes and grow by one token a merge.
 *
 * @returns [left id, right id] in the order they were learnt.
 */
export function learnMerges(
  counts: WordCounts,
  tokens: string[],
  ids: Map<string, number>,
  { vocabSize, minFrequency = 0, maxTokenLength = Infinity, onProgress, signal }: TrainBpeOptions,
): [number, number][] {
  const byteIds = Int32Array.from(BYTE_TO_CHAR, (char) => ids.get(char)!);
  const numMerges = vocabSize - tokens.length;
  const corpus = new MergeCorpus(counts, byteIds, { numMerges, vocabSize, minFrequency, maxTokenLength });
  const merges: [number, number][] = [];
  while (tokens.length < vocabSize) {
    const top = corpus.mostFrequent();
    if (top === undefined) break;
    const text = tokens[top.left]! + tokens[top.right]!;
    let id = ids.get(text);
    if (id === undefined) {
      id = tokens.length;
      tokens.push(text);
      ids.set(text, id);
    }
    merges.push([top.left, top.right]);
    corpus.merge(top.pair, id);
    if (merges.length % 256 === 0) {
      if (signal?.aborted) throw new LlmkitError('interrupted', 'stopped while learning merges');
      onProgress?.({ stage: 'merge', current: tokens.length, total: vocabSize });
    }
  }
  onProgress?.({ stage: 'merge', current: tokens.length, total: tokens.length });
  return merges;
}
