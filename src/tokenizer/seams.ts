/**
 * The merges of a vocabulary that join tokens at the start of a character, one of them being less than whole characters
 * ("(blank)" and the first byte of some): the few that keep whole characters from being looked at alone. For each such
 * part of a character a set of 32 bits says what it may be merged with.
 */
export class Seams {
  readonly #bytesOf: (id: number) => Uint8Array;
  readonly #lastBytes = new Map<number, number>();
  readonly #starts = new Map<number, number>();

  /** @param merges [left, right, merged] */
  constructor(merges: readonly (readonly [number, number, number])[], bytesOf: (id: number) => Uint8Array) {
    this.#bytesOf = bytesOf;
    const whole = new Map<number, boolean>();
    const isWhole = (id: number): boolean => {
      let known = whole.get(id);
      if (known === undefined) whole.set(id, (known = isWholeCharacters(bytesOf(id))));
      return known;
    };
    for (const [left, right] of merges) {
      if (isWhole(left) && isWhole(right)) continue;
      const [before, after] = [bytesOf(left), bytesOf(right)];
      if (isContinuation(after[0]!)) continue;
      if (isWhole(right)) add(this.#starts, left, startOf(after));
      else add(this.#lastBytes, right, before.at(-1)!);
    }
  }

  /** Hashes of the last bytes of what is merged with this beginning of a character on its left. */
  lastBytesBefore(id: number): number {
    return this.#lastBytes.get(id) ?? 0;
  }

  /** Hashes of the starts of the whole characters that are merged with this end of a character on its right. */
  startsAfter(id: number): number {
    return this.#starts.get(id) ?? 0;
  }

  /** The hashes that these two speak of, for a token of whole characters: its last byte's, and its start's from bit 5. */
  edges(id: number): number {
    const bytes = this.#bytesOf(id);
    return (bytes.at(-1)! & 31) | (startOf(bytes) << 5);
  }

  /** Whether the token is one whole character. */
  isCharacter(id: number): boolean {
    const bytes = this.#bytesOf(id);
    return isWholeCharacters(bytes) && bytes.subarray(1).every(isContinuation);
  }
}

function add(sets: Map<number, number>, id: number, member: number): void {
  sets.set(id, (sets.get(id) ?? 0) | (1 << (member & 31)));
}

function startOf(bytes: Uint8Array): number {
  return bytes[0]! < 0x80 ? bytes[0]! & 31 : (bytes[0]! ^ (bytes[1]! >> 1)) & 31;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** Whether the bytes are UTF-8 that neither begins nor ends inside a character. */
export function isWholeCharacters(bytes: Uint8Array): boolean {
  if (bytes.every((byte) => byte < 0x80)) return true;
  const buffer = Buffer.from(bytes);
  return Buffer.from(buffer.toString()).equals(buffer);
}
