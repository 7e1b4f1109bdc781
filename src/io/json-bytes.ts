/** Bytes that JSON's structure is made of, and the way past its strings. */
export const BYTE = {
  LF: 10,
  SPACE: 32,
  QUOTE: 34,
  COMMA: 44,
  COLON: 58,
  OPEN_BRACKET: 91,
  CLOSE_BRACKET: 93,
  OPEN_BRACE: 123,
  CLOSE_BRACE: 125,
} as const;

const BACKSLASH = 92;

/** Where strings end in text that comes in chunks. */
export class StringEnds {
  /** The last chunk ended with a backslash that the next byte belongs to. */
  #escaped = false;

  /** The index of the quote that closes the string which `chunk` is in at `from`; -1 when it goes on in the next chunk. */
  find(chunk: Buffer, from: number): number {
    for (let at = from; ;) {
      const quote = chunk.indexOf(BYTE.QUOTE, at);
      const end = quote < 0 ? chunk.length : quote;
      let slashes = 0;
      while (end - slashes > at && chunk[end - 1 - slashes] === BACKSLASH) slashes++;
      const pending = this.#escaped && slashes === end - at;
      const escaped = (slashes % 2 === 1) !== pending;
      this.#escaped = quote < 0 && escaped;
      if (quote < 0 || !escaped) return quote;
      at = quote + 1;
    }
  }
}
