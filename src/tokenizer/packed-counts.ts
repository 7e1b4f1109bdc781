import { crc32 } from 'node:zlib';
import { LlmkitError } from '../core/errors.ts';
import { ByteWords, hashWord, type WordCounts } from './byte-words.ts';

const MAGIC = 0x3143574c; // "LWC1"
const HEADER_BYTES = 16;

/**
 * Word counts as bytes, for a file or another thread. Little-endian: magic, CRC-32 of what follows, number of words,
 * bytes of all words (u32 each); the counts (f64); the words' lengths (u32); their UTF-8.
 */
export function packWordCounts({ size, bytes, starts, counts }: WordCounts): Uint8Array {
  const packed = new Uint8Array(HEADER_BYTES + 12 * size + bytes.length);
  const header = new Uint32Array(packed.buffer, 0, 4);
  const lengths = new Uint32Array(packed.buffer, HEADER_BYTES + 8 * size, size);
  new Float64Array(packed.buffer, HEADER_BYTES, size).set(counts);
  for (let w = 0; w < size; w++) lengths[w] = starts[w + 1]! - starts[w]!;
  packed.set(bytes, HEADER_BYTES + 12 * size);
  header.set([MAGIC, 0, size, bytes.length]);
  header[1] = crc32(packed.subarray(8));
  return packed;
}

/** Adds up the word counts of the parts of a corpus. What is trained from the sum is the same for any parts. */
export class WordCountsSum {
  readonly #words = new ByteWords();

  /** Adds what `packWordCounts` made. Throws `data` when the bytes are not that, or are damaged. */
  add(packed: Uint8Array): void {
    const { size, counts, lengths, bytes } = unpack(packed);
    let at = 0;
    for (let w = 0; w < size; w++) {
      const end = at + lengths[w]!;
      this.#words.add(bytes, at, end, hashWord(bytes, at, end), counts[w]!);
      at = end;
    }
  }

  result(): WordCounts {
    return this.#words.result();
  }
}

function unpack(packed: Uint8Array): {
  size: number;
  counts: Float64Array;
  lengths: Uint32Array;
  bytes: Uint8Array;
} {
  // Views need aligned memory, which a Buffer from a pool is not.
  const aligned = packed.byteOffset % 8 === 0 ? packed : packed.slice();
  const { buffer, byteOffset } = aligned;
  if (aligned.length < HEADER_BYTES) throw damaged(`${aligned.length} bytes`);
  const header = new Uint32Array(buffer, byteOffset, 4);
  const [size, total] = [header[2]!, header[3]!];
  if (header[0] !== MAGIC) throw damaged('bytes of another kind');
  const expected = HEADER_BYTES + 12 * size + total;
  if (aligned.length !== expected) throw damaged(`${aligned.length} bytes instead of ${expected}`);
  if (crc32(aligned.subarray(8)) !== header[1]) throw damaged('another checksum');
  return {
    size,
    counts: new Float64Array(buffer, byteOffset + HEADER_BYTES, size),
    lengths: new Uint32Array(buffer, byteOffset + HEADER_BYTES + 8 * size, size),
    bytes: aligned.subarray(HEADER_BYTES + 12 * size),
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
