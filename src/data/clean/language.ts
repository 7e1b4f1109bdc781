import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { PrepareConfig } from '../../config/index.ts';
import type { RowStep } from '../row-step.ts';
import { documentOf } from '../texts.ts';
import { countScripts, eastAsianLanguage, eastAsianShare } from './scripts.ts';

export type LanguageConfig = NonNullable<PrepareConfig['language']>;

export interface Language {
  /** ISO 639-1, or `und` where nothing tells. */
  language: string;
  /** 0..1. */
  confidence: number;
}

/** What eld exports, as far as it is used. */
interface Detector {
  detect(text: string): { language: string; getScores(): Record<string, number> };
  enableTextCleanup(enable: boolean): void;
}

/** UTF-16 units of a piece; eld reads the first 350 bytes of one. Long texts are told by three pieces. */
const PIECE = 600;
/** The mean score of an n-gram in a text of the right language is 70 to 130; gibberish and code stay below. */
const USUAL_SCORE = 75;
const EAST_ASIAN = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+/g;

let detector: Detector | undefined;

/** eld's data takes 0.2 s and 90 MB to load: only when a text needs it, and without making every caller wait for it. */
function eld(): Detector {
  if (detector === undefined) {
    const load = createRequire(import.meta.url) as (file: string) => { eld: Detector };
    detector = load(fileURLToPath(import.meta.resolve('eld/extrasmall'))).eld;
    // Addresses and codes are of no language.
    detector.enableTextCleanup(true);
  }
  return detector;
}

/**
 * The language of a text and how certain that is. Chinese, Japanese and Korean are told by their scripts, the others by
 * eld's n-grams. Confidence grows with the number of letters and with the lead of the best language over the second, and
 * is scaled by the part of the text it speaks for: a single word is hardly ever above 0.5.
 */
export function identifyLanguage(text: string): Language {
  const pieces = piecesOf(text);
  const counts = countScripts(pieces.join('\n'));
  const share = eastAsianShare(counts);
  if (share >= 0.5) return eastAsianLanguage(counts);
  if (counts.letters === 0) return { language: 'und', confidence: 0 };
  const evidence = new Map<string, number>();
  let sum = 0;
  for (const piece of pieces) {
    const { language, strength } = evidenceOf(share === 0 ? piece : piece.replaceAll(EAST_ASIAN, ' '));
    evidence.set(language, (evidence.get(language) ?? 0) + strength);
    sum += strength;
  }
  const [language, strength] = [...evidence].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0]!;
  if (strength === 0) return { language: 'und', confidence: 0 };
  return { language, confidence: (1 - share) * (strength / sum) * (1 - Math.exp(-strength)) };
}

/** The beginning, the middle and the end; the whole text when it is short. */
function piecesOf(text: string): string[] {
  if (text.length <= 3 * PIECE) return [text];
  const middle = Math.floor((text.length - PIECE) / 2);
  return [0, middle, text.length - PIECE].map((start) => text.slice(start, start + PIECE));
}

/**
 * eld's scores are s = g / (g + 25) with g the mean score of an n-gram. The strength is the lead (g1 - g2) / g1 times
 * the square root of the letters read, less where g1 is low.
 */
function evidenceOf(piece: string): { language: string; strength: number } {
  const result = eld().detect(piece);
  const scores = Object.values(result.getScores()).sort((a, b) => b - a);
  const best = meanScore(scores[0] ?? 0);
  if (best === 0) return { language: 'und', strength: 0 };
  const lead = (best - meanScore(scores[1] ?? 0)) / best;
  const { letters } = countScripts(piece.slice(0, PIECE));
  return { language: result.language, strength: lead * Math.sqrt(letters) * Math.min(1, best / USUAL_SCORE) };
}

function meanScore(score: number): number {
  return score >= 1 ? Number.MAX_VALUE : (25 * score) / (1 - score);
}

/** The step that keeps rows of the languages asked for; `counts` has the rows kept by language. */
export function makeLanguage(config: LanguageConfig): RowStep {
  const counts: Record<string, number> = {};
  const keep = new Set(config.keep);
  const limit = `${config.keep.join(', ')} ≥ ${config.min_confidence}`;
  return {
    stage: 'language',
    counts,
    apply(example) {
      const { language, confidence } = identifyLanguage(documentOf(example));
      if (!keep.has(language) || confidence < config.min_confidence) {
        return { drop: { rule: 'language', value: `${language} ${confidence.toFixed(2)}`, limit } };
      }
      const name = `${language} kept`;
      counts[name] = (counts[name] ?? 0) + 1;
      return { example };
    },
  };
}
