import { LlmkitError } from '../core/errors.ts';

const MAGIC = 0x184d2204;
/** Set in a block's length when the block is stored as it is. */
const STORED = 0x80000000;
const MIN_MATCH = 4;

/**
 * Unpacks one LZ4 frame, as Arrow keeps LZ4 buffers (no kept library does this for frames). Checksums are passed over.
 *
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 *
 * @throws LlmkitError('data') when the frame is damaged.
 */
export function decodeLz4Frame(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 7 || view.getUint32(0, true) !== MAGIC) throw damaged('it has no LZ4 mark');
  const flags = frame[4]!;
  const hasBlockChecksum = (flags & 0x10) !== 0;
  // Magic, flags, block size; content size and dictionary where there are any; header checksum.
  let at = 6 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4) + 1;
  const out = new Output(frame.length * 4);
  for (;;) {
    if (at + 4 > frame.length) throw damaged('its end is missing');
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) return out.bytes();
    const bytes = word & ~STORED;
    const block = frame.subarray(at, at + bytes);
    if (block.length < bytes) throw damaged('a block is cut off');
    if (word >= STORED) out.append(block);
    else decodeBlock(block, out);
    at += bytes + (hasBlockChecksum ? 4 : 0);
  }
}

/** Sequences of literals and a match; a match may reach back into earlier blocks. */
function decodeBlock(block: Uint8Array, out: Output): void {
  let at = 0;
  const length = (start: number): number => {
    let sum = start;
    for (let more = start === 15 ? 255 : 0; more === 255;) {
      if (at >= block.length) throw damaged('a length is cut off');
      more = block[at++]!;
      sum += more;
    }
    return sum;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = length(token >> 4);
    if (at + literals > block.length) throw damaged('literals are cut off');
    out.append(block.subarray(at, at + literals));
    at += literals;
    if (at === block.length) return;
    if (at + 2 > block.length) throw damaged('a match is cut off');
    const distance = block[at]! | (block[at + 1]! << 8);
    at += 2;
    out.repeat(distance, length(token & 15) + MIN_MATCH);
  }
}

/** Bytes that grow by doubling. */
class Output {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity: number) {
    this.#buffer = new Uint8Array(Math.max(64, capacity));
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Appends `count` of the bytes that begin `distance` ago; they may run into those just appended. */
  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.#length) throw damaged('a match begins before the data');
    this.#reserve(count);
    const from = this.#length - distance;
    if (distance >= count) this.#buffer.copyWithin(this.#length, from, from + count);
    else for (let i = 0; i < count; i++) this.#buffer[this.#length + i] = this.#buffer[from + i]!;
    this.#length += count;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const wider = new Uint8Array(Math.max(this.#length + more, 2 * this.#buffer.length));
    wider.set(this.bytes());
    this.#buffer = wider;
  }
}

function damaged(why: string): LlmkitError {
  return new LlmkitError('data', `an LZ4 buffer is damaged: ${why}`);
}
