import { tokenToBytes, utf8ToUtf16, writeTokenBytes } from './byte-level.ts';
import { grown } from './word-table.ts';

/** What the tokens of a vocabulary stand for, all in two arrays: their bytes, and the UTF-16 units of whole characters. */
export class TokenTexts {
  /** Ids are below it. */
  readonly size: number;
  bytes = new Uint8Array(1 << 14);
  readonly byteStarts: Int32Array;
  units = new Uint16Array(1 << 14);
  /** A token that begins or ends inside a character has no units. */
  readonly unitStarts: Int32Array;

  constructor(vocab: ReadonlyMap<string, number>) {
    const tokens: string[] = [];
    for (const [token, id] of vocab) tokens[id] = token;
    this.size = tokens.length;
    this.byteStarts = new Int32Array(this.size + 1);
    this.unitStarts = new Int32Array(this.size + 1);
    let byteEnd = 0;
    let unitEnd = 0;
    for (let id = 0; id < this.size; id++) {
      // Ids may be left out.
      const token = tokens[id] ?? '';
      // A character outside the byte alphabet has at most three bytes a unit.
      const room = byteEnd + 3 * token.length;
      if (room > this.bytes.length) {
        this.bytes = grown(this.bytes, room);
        this.units = grown(this.units, this.bytes.length);
      }
      const start = byteEnd;
      byteEnd = writeTokenBytes(token, this.bytes, start);
      if (byteEnd < 0) {
        const bytes = tokenToBytes(token);
        this.bytes.set(bytes, start);
        byteEnd = start + bytes.length;
      }
      this.byteStarts[id + 1] = byteEnd;
      unitEnd = Math.max(unitEnd, utf8ToUtf16(this.bytes, start, byteEnd, this.units, unitEnd));
      this.unitStarts[id + 1] = unitEnd;
    }
  }

  /** UTF-16 units of the token's text; 0 when it is empty or begins or ends inside a character. */
  unitCount(id: number): number {
    return this.unitStarts[id + 1]! - this.unitStarts[id]!;
  }

  firstByte(id: number): number {
    return this.bytes[this.byteStarts[id]!]!;
  }

  bytesOf(id: number): Uint8Array {
    return this.bytes.subarray(this.byteStarts[id]!, this.byteStarts[id + 1]!);
  }
}
