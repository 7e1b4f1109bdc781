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

/** UTF-16 units of each of the three pieces by which a long text is told; enough, and eld's time grows with them. */
const PIECE = 200;
/** Of a piece, by eld. */
const BYTES_READ = 350;
/** Strength 1 is a confidence of 0.63; a piece counts for no more than 5. */
const UNIT = 100;
const STRONGEST = 5;
/** Of a word that eld knows from one language only: one word is no proof. */
const MOST_LEAD = 60;
/** The mean score of an n-gram in a text of the right language is 70 to 130; gibberish and code stay below. */
const USUAL_SCORE = 75;
const EAST_ASIAN = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+/g;

let detector: Detector | undefined;

/**
 * eld's data (the second of its four sizes; the first errs on Polish and Swedish sentences) takes 0.3 s and 150 MB: it is
 * loaded when a text needs it.
 */
function eld(): Detector {
  if (detector === undefined) {
    const load = createRequire(import.meta.url) as (file: string) => { eld: Detector };
    detector = load(fileURLToPath(import.meta.resolve('eld/small'))).eld;
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
 * The strength is a log-likelihood ratio in units that were tried on sentences of 21 languages: the lead of the best
 * language in mean score, times the n-grams read. It is less where the best score itself is unusually low.
 */
function evidenceOf(piece: string): { language: string; strength: number } {
  const result = eld().detect(piece);
  const scores = Object.values(result.getScores()).sort((a, b) => b - a);
  const best = meanScore(scores[0] ?? 0);
  if (best === 0) return { language: 'und', strength: 0 };
  const lead = Math.min(best - meanScore(scores[1] ?? 0), MOST_LEAD);
  const strength = ((lead * ngramsRead(piece)) / UNIT) * Math.min(1, best / USUAL_SCORE);
  return { language: result.language, strength: Math.min(strength, STRONGEST) };
}

/** eld looks at one n-gram for every three bytes of words. */
function ngramsRead(piece: string): number {
  let bytes = 0;
  for (let i = 0; i < piece.length && bytes < BYTES_READ; i++) {
    const unit = piece.charCodeAt(i);
    if (unit >= 0x80) bytes += unit < 0x800 ? 2 : 3;
    else if ((unit | 32) >= 97 && (unit | 32) <= 122) bytes++;
  }
  return bytes / 3;
}

/** eld's scores are s = g / (g + 25), with g the mean score of an n-gram. */
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
