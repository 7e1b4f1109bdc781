/**
 * GPT-2's byte alphabet: every byte has a printable character, so tokens are ordinary strings. Bytes that are printable
 * in Latin-1 stand for themselves, the others for U+0100 upwards in order (Radford et al., 2019).
 */
export const BYTE_TO_CHAR: readonly string[] = makeByteToChar();

const CHAR_TO_BYTE = new Map(BYTE_TO_CHAR.map((char, byte) => [char, byte]));

function makeByteToChar(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

const encoder = new TextEncoder();

/** The bytes a token stands for. A token with characters outside the alphabet (an added token) is its own UTF-8. */
export function tokenToBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = CHAR_TO_BYTE.get(token[i]!);
    if (byte === undefined) return encoder.encode(token);
    bytes[i] = byte;
  }
  return bytes;
}

/** UTF-8 of text, spelled in the byte alphabet. */
export function textToByteChars(text: string): string {
  let out = '';
  for (const byte of encoder.encode(text)) out += BYTE_TO_CHAR[byte]!;
  return out;
}

/**
 * Writes the UTF-8 of UTF-16 units [start, end) to `out` and returns the number of bytes. `out` must hold three bytes
 * per unit. A lone surrogate becomes U+FFFD.
 */
export function utf16ToUtf8(units: Uint16Array, start: number, end: number, out: Uint8Array): number {
  let n = 0;
  for (let i = start; i < end; i++) {
    let code = units[i]!;
    if (code < 0x80) {
      out[n++] = code;
      continue;
    }
    if (code < 0x800) {
      out[n++] = 0xc0 | (code >> 6);
      out[n++] = 0x80 | (code & 0x3f);
      continue;
    }
    if ((code & 0xf800) === 0xd800) {
      const low = i + 1 < end ? units[i + 1]! : 0;
      if (code < 0xdc00 && (low & 0xfc00) === 0xdc00) {
        const point = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
        out[n++] = 0xf0 | (point >> 18);
        out[n++] = 0x80 | ((point >> 12) & 0x3f);
        out[n++] = 0x80 | ((point >> 6) & 0x3f);
        out[n++] = 0x80 | (point & 0x3f);
        i++;
        continue;
      }
      code = 0xfffd;
    }
    out[n++] = 0xe0 | (code >> 12);
    out[n++] = 0x80 | ((code >> 6) & 0x3f);
    out[n++] = 0x80 | (code & 0x3f);
  }
  return n;
}

interface WellFormedString {
  isWellFormed(): boolean;
  toWellFormed(): string;
}

/** The text with every lone surrogate replaced by U+FFFD, which is what its UTF-8 would hold. */
export function wellFormed(text: string): string {
  // In Node 20 and up; the es2023 library types do not list them.
  const string = text as unknown as WellFormedString;
  return string.isWellFormed() ? text : string.toWellFormed();
}

let scratch = new Uint16Array(1 << 12);
let scratchBytes = Buffer.from(scratch.buffer);

/**
 * The UTF-16 units of text in a shared buffer that the next call overwrites: indexing it in a loop is several times
 * faster than charCodeAt. The units end with a 0.
 */
export function utf16Units(text: string): Uint16Array {
  if (text.length >= scratch.length) {
    const units = new Uint16Array(2 ** Math.ceil(Math.log2(text.length + 1)));
    const bytes = Buffer.from(units.buffer);
    bytes.write(text, 'utf16le');
    // One very long text must not pin its buffer for good.
    if (units.length <= 1 << 20) [scratch, scratchBytes] = [units, bytes];
    return units;
  }
  scratchBytes.write(text, 'utf16le');
  scratch[text.length] = 0;
  return scratch;
}
