import { crc32 } from 'node:zlib';
import { LlmkitError } from '../core/errors.ts';
import type { WordCounts } from './count-words.ts';
import { grown, WordTable } from './word-table.ts';

const MAGIC = 0x3143574c; // "LWC1"
const HEADER_BYTES = 16;

/**
 * Word counts as bytes, for a file or another thread. Little-endian: magic, CRC-32 of what follows, number of words,
 * number of units (u32 each); the counts (f64); the words' lengths in units (u32); their UTF-16 units (u16).
 */
export function packWordCounts({ words, counts }: WordCounts): Uint8Array {
  const { size, units } = words;
  const packed = new Uint8Array(HEADER_BYTES + 12 * size + 2 * units);
  const header = new Uint32Array(packed.buffer, 0, 4);
  const lengths = new Uint32Array(packed.buffer, HEADER_BYTES + 8 * size, size);
  new Float64Array(packed.buffer, HEADER_BYTES, size).set(counts.subarray(0, size));
  for (let w = 0; w < size; w++) lengths[w] = words.end(w) - words.start(w);
  new Uint16Array(packed.buffer, HEADER_BYTES + 12 * size, units).set(words.arena().subarray(0, units));
  header.set([MAGIC, 0, size, units]);
  header[1] = crc32(packed.subarray(8));
  return packed;
}

/** Adds up the word counts of the parts of a corpus. What is trained from the sum is the same for any parts. */
export class WordCountsSum {
  readonly #words = new WordTable();
  #counts = new Float64Array(1 << 11);

  /** Adds what `packWordCounts` made. Throws `data` when the bytes are not that, or are damaged. */
  add(packed: Uint8Array): void {
    const { size, counts, lengths, units } = unpack(packed);
    let at = 0;
    for (let w = 0; w < size; w++) {
      const index = this.#words.intern(units, at, at + lengths[w]!);
      if (index === this.#counts.length) this.#counts = grown(this.#counts, index + 1);
      this.#counts[index]! += counts[w]!;
      at += lengths[w]!;
    }
  }

  result(): WordCounts {
    return { words: this.#words, counts: this.#counts.subarray(0, this.#words.size) };
  }
}

function unpack(packed: Uint8Array): {
  size: number;
  counts: Float64Array;
  lengths: Uint32Array;
  units: Uint16Array;
} {
  // Views need aligned memory, which a Buffer from a pool is not.
  const bytes = packed.byteOffset % 8 === 0 ? packed : packed.slice();
  const { buffer, byteOffset } = bytes;
  if (bytes.length < HEADER_BYTES) throw damaged(`${bytes.length} bytes`);
  const [magic, crc, size, total] = new Uint32Array(buffer, byteOffset, 4) as unknown as [
    number,
    number,
    number,
    number,
  ];
  if (magic !== MAGIC) throw damaged('bytes of another kind');
  const expected = HEADER_BYTES + 12 * size + 2 * total;
  if (bytes.length !== expected) throw damaged(`${bytes.length} bytes instead of ${expected}`);
  if (crc32(bytes.subarray(8)) !== crc) throw damaged('another checksum');
  return {
    size,
    counts: new Float64Array(buffer, byteOffset + HEADER_BYTES, size),
    lengths: new Uint32Array(buffer, byteOffset + HEADER_BYTES + 8 * size, size),
    units: new Uint16Array(buffer, byteOffset + HEADER_BYTES + 12 * size, total),
  };
}

function damaged(got: string): LlmkitError {
  return new LlmkitError('data', 'the word counts are damaged', {
    where: 'word counts',
    expected: 'what packWordCounts wrote',
    got,
    hint: 'remove the file they were read from and run again',
  });
}
