import { translatePattern, UnsupportedPattern } from './pattern.ts';
import { GPT2_PATTERN, scanDigitsGpt2, scanGpt2, type Scanner, scannerFor } from './scan.ts';
import type { ComponentJson } from './types.ts';
import { utf16Units } from './byte-level.ts';
import { DIGITS_ONLY, NUMBERS } from './unicode-ranges.ts';
import { classOf } from './unicode.ts';

/** How text between added tokens is cut into words: by a scanner, or by stages that each refine the pieces. */
export interface PreTokenizer {
  /** ByteLevel's add_prefix_space, where it is the first thing that happens to the text. */
  prefixSpace: boolean;
  scanner: Scanner | undefined;
  /** Texts that it matches are cut by the stages. */
  scannerExcept: RegExp | undefined;
  stages: Stage[];
}

/** Cuts every piece further. */
export type Stage = (pieces: string[]) => string[];

/** Thrown for settings that llmkit's own encoder leaves to the library. */
export class Unsupported extends Error {}

/** Reads the `pre_tokenizer` of a byte-level tokenizer.json. Throws `Unsupported` when it is of another kind. */
export function buildPreTokenizer(json: ComponentJson | null): PreTokenizer {
  const parts = json?.type === 'Sequence' ? (json['pretokenizers'] as ComponentJson[]) : json === null ? [] : [json];
  const last = parts.at(-1);
  if (last?.type !== 'ByteLevel') throw new Unsupported('its pre-tokenizer does not end in ByteLevel');
  const scans: (Scanner | undefined)[] = [];
  const stages: Stage[] = [];
  for (const part of parts) {
    if (part !== last && part.type === 'ByteLevel') throw new Unsupported('it applies ByteLevel twice');
    if (part.type === 'ByteLevel' && part['use_regex'] === false) continue;
    const scanner = scannerOf(part);
    scans.push(scanner);
    stages.push(scanner === undefined ? regexStage(part) : scanStage(scanner));
  }
  const prefixSpace = last['add_prefix_space'] === true;
  if (prefixSpace && parts.length > 1) throw new Unsupported('its ByteLevel adds a space after another split');
  const digitsFirst = stages.length === 2 && isSingleDigits(parts[0]!) && scans[1] === scanGpt2;
  return {
    prefixSpace,
    scanner: digitsFirst ? scanDigitsGpt2 : stages.length === 1 ? scans[0] : undefined,
    scannerExcept: digitsFirst ? new RegExp(`[${classOf(DIGITS_ONLY)}]`, 'u') : undefined,
    stages: stages.length === 0 ? [(pieces) => pieces] : stages,
  };
}

function isSingleDigits(part: ComponentJson): boolean {
  return part.type === 'Digits' && part['individual_digits'] === true;
}

function scannerOf(part: ComponentJson): Scanner | undefined {
  if (part.type === 'ByteLevel') return scannerFor(GPT2_PATTERN);
  const regex = (part['pattern'] as { Regex?: string } | undefined)?.Regex;
  const plain = part.type === 'Split' && part['behavior'] === 'Isolated' && part['invert'] !== true;
  return plain && regex !== undefined ? scannerFor(regex) : undefined;
}

function scanStage(scanner: Scanner): Stage {
  return (pieces) =>
    pieces.flatMap((piece) => {
      const words: string[] = [];
      const units = utf16Units(piece);
      for (let i = 0; i < piece.length;) {
        const end = scanner(units, i, piece.length);
        words.push(piece.slice(i, end));
        i = end;
      }
      return words;
    });
}

function regexStage(part: ComponentJson): Stage {
  if (part.type === 'Digits') {
    const digit = new RegExp(`[${classOf(NUMBERS)}${classOf(DIGITS_ONLY)}]`, 'gu');
    return splitStage(digit, isSingleDigits(part) ? 'Isolated' : 'Contiguous', false);
  }
  if (part.type !== 'Split') throw new Unsupported(`its pre-tokenizer has ${part.type}`);
  const pattern = part['pattern'] as { Regex?: string; String?: string };
  const regex =
    pattern.Regex === undefined
      ? new RegExp((pattern.String ?? '').replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`), 'gu')
      : translated(pattern.Regex);
  return splitStage(regex, part['behavior'] as SplitBehavior, part['invert'] === true);
}

function translated(pattern: string): RegExp {
  try {
    return translatePattern(pattern);
  } catch (error) {
    if (error instanceof UnsupportedPattern) throw new Unsupported(error.message, { cause: error });
    throw error;
  }
}

type SplitBehavior = 'Isolated' | 'Removed' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous';

interface Part {
  text: string;
  match: boolean;
}

function splitStage(regex: RegExp, behavior: SplitBehavior, invert: boolean): Stage {
  const join = JOINS[behavior];
  if (join === undefined) throw new Unsupported(`its Split behaves as ${String(behavior)}`);
  return (pieces) =>
    pieces.flatMap((piece) => {
      const parts: Part[] = [];
      let done = 0;
      for (const match of piece.matchAll(regex)) {
        if (match.index > done) parts.push({ text: piece.slice(done, match.index), match: invert });
        parts.push({ text: match[0], match: !invert });
        done = match.index + match[0].length;
      }
      if (done < piece.length) parts.push({ text: piece.slice(done), match: invert });
      return join(parts).filter((text) => text !== '');
    });
}

const JOINS: Record<SplitBehavior, (parts: Part[]) => string[]> = {
  Isolated: (parts) => parts.map((part) => part.text),
  Removed: (parts) => parts.filter((part) => !part.match).map((part) => part.text),
  Contiguous: (parts) => joined(parts, (part, before) => part.match === before.match),
  MergedWithPrevious: (parts) => joined(parts, (part, before) => part.match && !before.match),
  MergedWithNext: (parts) => joined(parts, (part, before) => before.match && !part.match),
};

/** Texts of the parts, each added to the one before it where `joins` says so. */
function joined(parts: Part[], joins: (part: Part, before: Part) => boolean): string[] {
  const texts: string[] = [];
  for (const [i, part] of parts.entries()) {
    if (i > 0 && joins(part, parts[i - 1]!)) texts[texts.length - 1] += part.text;
    else texts.push(part.text);
  }
  return texts;
}
