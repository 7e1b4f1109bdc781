import { makeCleaner } from '../clean/text.ts';
import { loadKeywords } from '../clean/keywords.ts';
import { makeLanguage } from '../clean/language.ts';
import { makePii } from '../clean/pii.ts';
import { loadDecontamination } from '../filter/decontaminate.ts';
import { makeFilters } from '../filter/filters.ts';
import type { RowStep } from '../row-step.ts';
import type { Plan } from './plan.ts';

/**
 * What is done with every row, in order. What judges a text comes before redaction, which changes it; the text that
 * dedup, tokenizer and model see is the redacted one.
 */
export async function makeSteps(plan: Plan): Promise<RowStep[]> {
  const { clean, pii, language, filters, decontaminate } = plan.config;
  const steps: RowStep[] = [makeCleaner(clean)];
  if (plan.keywords.length > 0) steps.push(loadKeywords(plan.keywords));
  if (language !== undefined) steps.push(makeLanguage(language));
  steps.push(...makeFilters(filters));
  if (decontaminate !== undefined) {
    steps.push(await loadDecontamination(plan.against, decontaminate.ngram));
  }
  if (pii !== false) steps.push(makePii(pii));
  return steps;
}
