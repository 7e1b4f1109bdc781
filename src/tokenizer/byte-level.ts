/**
 * GPT-2's byte alphabet: every byte has a printable character, so tokens are ordinary strings. Bytes that are printable
 * in Latin-1 stand for themselves, the others for U+0100 upwards in order (Radford et al., 2019).
 */
export const BYTE_TO_CHAR: readonly string[] = makeByteToChar();

/** Byte by the code of its character, -1 where there is none. */
const CODE_TO_BYTE = makeCodeToByte();

function makeByteToChar(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

function makeCodeToByte(): Int16Array {
  const bytes = new Int16Array(1 << 16).fill(-1);
  for (const [byte, char] of BYTE_TO_CHAR.entries()) bytes[char.charCodeAt(0)] = byte;
  return bytes;
}

const encoder = new TextEncoder();

/** The bytes a token stands for. A token with characters outside the alphabet (an added token) is its own UTF-8. */
export function tokenToBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  return writeTokenBytes(token, bytes, 0) < 0 ? encoder.encode(token) : bytes;
}

/** Writes the bytes of a token that is spelled in the byte alphabet to out[at...] and returns their end; -1 otherwise. */
export function writeTokenBytes(token: string, out: Uint8Array, at: number): number {
  for (let i = 0; i < token.length; i++) {
    const byte = CODE_TO_BYTE[token.charCodeAt(i)]!;
    if (byte < 0) return -1;
    out[at++] = byte;
  }
  return at;
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

/**
 * Writes the UTF-16 of UTF-8 bytes[start, end) to out[at...], which must hold a unit per byte, and returns where it ends;
 * -1 when the bytes are not whole characters.
 */
export function utf8ToUtf16(bytes: Uint8Array, start: number, end: number, out: Uint16Array, at: number): number {
  for (let i = start; i < end; i++) {
    const first = bytes[i]!;
    if (first < 0x80) {
      out[at++] = first;
      continue;
    }
    const more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || i + more >= end) return -1;
    let point = first & (0x3f >> more);
    for (let k = 1; k <= more; k++) {
      const byte = bytes[i + k]!;
      if ((byte & 0xc0) !== 0x80) return -1;
      point = (point << 6) | (byte & 0x3f);
    }
    // Too long a form, a surrogate, or beyond Unicode.
    if (point < LEAST_OF_LENGTH[more]! || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff) return -1;
    if (point >= 0x10000) {
      out[at++] = 0xd800 | ((point - 0x10000) >> 10);
      out[at++] = 0xdc00 | (point & 0x3ff);
    } else {
      out[at++] = point;
    }
    i += more;
  }
  return at;
}

/** The least code point of one, two, three, four bytes. */
const LEAST_OF_LENGTH = [0, 0x80, 0x800, 0x10000];

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
