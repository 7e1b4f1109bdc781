import type { WordCounts } from './byte-words.ts';

/**
 * All words in one array, cut into tokens. A token's id stands at its first and at its last byte, so its neighbours are
 * found without links (boundary tags: Knuth, 1968); the start of a token that was merged away is `inside`, and `border`
 * stands between words and at both ends. Words lie by falling count, so counts are looked up by position.
 */
export interface SegmentedWords {
  symbols: Uint16Array | Int32Array;
  border: number;
  inside: number;
  /** Words from runStarts[r] to runStarts[r + 1] occur runCounts[r] times. One more start than counts. */
  runStarts: Int32Array;
  runCounts: Float64Array;
}

/** @param byteIds the token of each byte. @param vocabSize ids stay below it. */
export function segmentWords(counts: WordCounts, byteIds: Int32Array, vocabSize: number): SegmentedWords {
  const { size, bytes, starts } = counts;
  const [border, inside] = [vocabSize, vocabSize + 1];
  const SymbolArray = inside <= 0xffff ? Uint16Array : Int32Array;
  const symbols = new SymbolArray(bytes.length + size + 1);
  const { order, runSizes, runCounts } = byFallingCount(counts);
  const runStarts = new Int32Array(runCounts.length + 1);
  let at = 0;
  symbols[at++] = border;
  let next = 0;
  for (let run = 0; run < runCounts.length; run++) {
    runStarts[run] = at;
    for (const last = next + runSizes[run]!; next < last; next++) {
      const end = starts[order[next]! + 1]!;
      for (let i = starts[order[next]!]!; i < end; i++) symbols[at++] = byteIds[bytes[i]!]!;
      symbols[at++] = border;
    }
  }
  runStarts[runCounts.length] = at;
  return { symbols, border, inside, runStarts, runCounts };
}

/** The words in order of falling count: a counting sort, as a corpus has only some thousand different counts. */
function byFallingCount({ size, counts }: WordCounts): {
  order: Uint32Array;
  runSizes: Uint32Array;
  runCounts: Float64Array;
} {
  const sizes = new Map<number, number>();
  for (let w = 0; w < size; w++) sizes.set(counts[w]!, (sizes.get(counts[w]!) ?? 0) + 1);
  const runCounts = Float64Array.from(sizes.keys()).sort().reverse();
  const runSizes = Uint32Array.from(runCounts, (count) => sizes.get(count)!);
  const cursors = new Map<number, number>();
  let at = 0;
  for (const [run, count] of runCounts.entries()) {
    cursors.set(count, at);
    at += runSizes[run]!;
  }
  const order = new Uint32Array(size);
  for (let w = 0; w < size; w++) {
    const cursor = cursors.get(counts[w]!)!;
    order[cursor] = w;
    cursors.set(counts[w]!, cursor + 1);
  }
  return { order, runSizes, runCounts };
}

/** The run that holds `position`, which is not before run `from`. Steps double, as the next is often near. */
export function runAt(runStarts: Int32Array, from: number, position: number): number {
  let [low, step] = [from, 1];
  const last = runStarts.length - 2;
  while (low + step <= last && runStarts[low + step]! <= position) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, last + 1);
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (runStarts[middle]! <= position) low = middle;
    else high = middle;
  }
  return low;
}
