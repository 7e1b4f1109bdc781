import type { RowStep, StepResult } from '../row-step.ts';
import { mapTexts, textsOf } from '../texts.ts';
import type { Example } from '../types.ts';
import { type KeywordRule, type KeywordSource, readRules } from './keywords/rules.ts';
import { type Word, WordFinder, type WordHit } from './keywords/words.ts';

export type { KeywordRule, KeywordSource } from './keywords/rules.ts';

const SEVERITIES = ['drop', 'flag', 'redact'] as const;

/**
 * The step of keyword rules: drops a row at the first hit of a `drop` rule, else flags it with the first `flag` rule that
 * it hits, and puts `[NAME]` in place of what `redact` rules hit. Latin words match as whole words unless the rule says
 * otherwise, Chinese ones anywhere.
 *
 * @param files rule files or folders of them, with the config's place for errors.
 * @throws LlmkitError config: what is wrong in the files, with line and column.
 */
export function loadKeywords(files: readonly KeywordSource[]): RowStep {
  return makeKeywords(readRules(files));
}

export function makeKeywords(rules: readonly KeywordRule[]): RowStep {
  const counts: Record<string, number> = {};
  const [dropping, flagging, redacting] = SEVERITIES.map((severity) => new Matcher(rules, severity));
  return {
    stage: 'keywords',
    counts,
    apply(example: Example): StepResult {
      const texts = textsOf(example);
      for (const text of texts) {
        const hit = dropping!.first(text);
        if (hit === undefined) continue;
        const rule = `keywords.${rules[hit.rule]!.name}`;
        return { drop: { rule, value: text.slice(hit.start, hit.end), limit: 0 } };
      }
      const flags = new Set(texts.flatMap((text) => flagging!.rulesHit(text)));
      const flag = [...flags].sort((a, b) => a - b)[0];
      const changed = redacting!.isEmpty ? example : mapTexts(example, (text) => redacting!.redact(text, counts));
      return flag === undefined ? { example: changed } : { example: changed, flag: `keywords.${rules[flag]!.name}` };
    },
  };
}

/** The rules of one severity. */
class Matcher {
  readonly isEmpty: boolean;
  readonly #rules: readonly KeywordRule[];
  readonly #finders: WordFinder[] = [];
  readonly #regex: { pattern: RegExp; rule: number }[] = [];

  constructor(rules: readonly KeywordRule[], severity: KeywordRule['severity']) {
    this.#rules = rules;
    for (const ignoreCase of [true, false]) {
      const words = rules.flatMap((rule, i): Word[] =>
        rule.severity === severity && rule.ignoreCase === ignoreCase
          ? rule.words.map((text) => ({ text, rule: i, whole: rule.wholeWord }))
          : [],
      );
      if (words.length > 0) this.#finders.push(new WordFinder(words, ignoreCase));
    }
    for (const [i, rule] of rules.entries()) {
      if (rule.severity === severity) this.#regex.push(...rule.regex.map((pattern) => ({ pattern, rule: i })));
    }
    this.isEmpty = this.#finders.length === 0 && this.#regex.length === 0;
  }

  /** In the order of the text; of those that overlap the first, then the longest. */
  #hits(text: string): WordHit[] {
    const hits = this.#finders.flatMap((finder) => finder.find(text));
    for (const { pattern, rule } of this.#regex) {
      for (const match of text.matchAll(pattern)) {
        hits.push({ start: match.index, end: match.index + match[0].length, rule });
      }
    }
    if (this.#finders.length + this.#regex.length < 2) return hits;
    hits.sort((a, b) => a.start - b.start || b.end - a.end || a.rule - b.rule);
    let end = 0;
    return hits.filter((hit) => hit.start >= end && (end = hit.end) > 0);
  }

  first(text: string): WordHit | undefined {
    return this.isEmpty ? undefined : this.#hits(text)[0];
  }

  rulesHit(text: string): number[] {
    return this.isEmpty ? [] : this.#hits(text).map((hit) => hit.rule);
  }

  redact(text: string, counts: Record<string, number>): string {
    const hits = this.#hits(text);
    if (hits.length === 0) return text;
    let redacted = '';
    let from = 0;
    for (const { start, end, rule } of hits) {
      const { name } = this.#rules[rule]!;
      redacted += `${text.slice(from, start)}[${name.toUpperCase()}]`;
      from = end;
      const counted = `${name} redacted`;
      counts[counted] = (counts[counted] ?? 0) + 1;
    }
    return redacted + text.slice(from);
  }
}
