import { LlmkitError } from '../../core/errors.ts';
import type { Drop, RowStep } from '../row-step.ts';
import { documentOf } from '../texts.ts';
import { type EvaluationFile, readAnswers } from './evaluation.ts';
import { NgramIndex } from './ngram-index.ts';
import { PlainWords } from './plain-words.ts';
import { HAN_PER_WORD } from './text-view.ts';

/** The step that drops leaked rows, and what it looks for. */
export interface Decontamination extends RowStep {
  readonly evaluation: {
    answers: number;
    /** Answers that cannot be recognized: too short with the question before them, or formulas. */
    unrecognizable: number;
    ngrams: number;
  };
}

const LONGEST_MATCH = 200;

/**
 * Reads evaluation files and makes the step that drops training rows which hold any of their answers: `ngram` words in
 * a row of an answer, or of the seam, the end of the question with the beginning of the answer. A question alone is no
 * leak, nor is what an answer repeats of it. Of an answer shorter than that, the n-gram that ends with the whole of it
 * counts, which reaches back into the question. Words are compared in small letters, without punctuation and accents,
 * calculations alike whatever their numbers. After Brown et al., 2020, appendix C, and datatrove's n-gram decontamination.
 *
 * Of a Chinese answer the n-gram has 1.6 characters for each word: a phrase of 12 characters is found in many texts
 * that have nothing to do with each other, one of 19 hardly.
 *
 * The memory it takes is 2 bytes for each letter of the files and 16 to 32 for each n-gram, on each thread.
 *
 * @throws LlmkitError('data') for a row that cannot be read, and when there is nothing to look for.
 */
export async function loadDecontamination(files: readonly EvaluationFile[], ngram: number): Promise<Decontamination> {
  const english = new Leaks(ngram, 'words');
  const chinese = new Leaks(Math.round(ngram * HAN_PER_WORD), 'characters');
  const words = new PlainWords();
  const evaluation = { answers: 0, unrecognizable: 0, ngrams: 0 };
  for (const file of files) {
    for await (const { row, before, answer } of readAnswers(file)) {
      evaluation.answers++;
      words.read(answer);
      const leaks = words.alone / HAN_PER_WORD > words.count - words.alone ? chinese : english;
      if (!leaks.add(words, row, before, answer)) evaluation.unrecognizable++;
    }
  }
  evaluation.ngrams = english.index.size + chinese.index.size;
  if (evaluation.ngrams === 0) throw nothingToFind(files, ngram, evaluation.answers);
  return {
    stage: 'decontaminate',
    counts: {},
    evaluation,
    apply(example) {
      const document = documentOf(example);
      words.read(document);
      const drop = english.find(words, document) ?? chinese.find(words, document);
      return drop === undefined ? { example } : { drop };
    },
  };
}

/** The n-grams of answers, with the rows they are of. */
class Leaks {
  readonly index: NgramIndex;
  readonly #unit: string;
  /** The rows of the texts in the index. */
  readonly #rows: string[] = [];

  constructor(n: number, unit: string) {
    this.index = new NgramIndex(n);
    this.#unit = unit;
  }

  /**
   * Adds the n-grams that end within the answer; of a short one, the one that ends with it. False when there is none.
   *
   * @param words of the answer.
   */
  add(words: PlainWords, row: string, before: string, answer: string): boolean {
    const { index } = this;
    const length = words.count;
    if (length === 0) return false;
    words.read(before);
    const asked = index.hashesOf(words);
    words.read(before === '' ? answer : `${lastPart(before, index.n)}\n${answer}`);
    const { count } = words;
    const firstEnd = length < index.n ? count - 1 : count - length;
    index.addText(words);
    let added = false;
    for (let end = Math.max(firstEnd, index.n - 1); end < count; end++) {
      added = index.add(words, end - index.n + 1, asked) || added;
    }
    if (added) this.#rows.push(row);
    else index.dropText();
    return added;
  }

  find(words: PlainWords, document: string): Drop | undefined {
    const { index } = this;
    const found = index.size === 0 ? undefined : index.find(words);
    if (found === undefined) return undefined;
    const text = document.slice(words.from[found.first]!, words.to[found.first + index.n - 1]!);
    const shown = text.length > LONGEST_MATCH ? `${Array.from(text).slice(0, LONGEST_MATCH).join('')}…` : text;
    return {
      rule: 'decontaminate',
      value: `${JSON.stringify(shown)} of ${this.#rows[found.text]}`,
      limit: `fewer than ${index.n} ${this.#unit} of an answer in a row`,
    };
  }
}

/** Enough of the end of a text to hold n words, save words longer than 64 units. */
function lastPart(text: string, n: number): string {
  return text.slice(-64 * n);
}

function nothingToFind(files: readonly EvaluationFile[], ngram: number, answers: number): LlmkitError {
  return new LlmkitError('data', 'the evaluation data has nothing that could be recognized in training rows', {
    where: files.map(({ where }) => where).join(', '),
    expected: `answers that have ${ngram} words with the question before them, most of them not numbers`,
    got: `${answers} shorter ones`,
    hint: 'lower decontaminate.ngram, or take the file out of decontaminate.against',
  });
}
