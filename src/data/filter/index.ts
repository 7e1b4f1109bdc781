export { type Decontamination, loadDecontamination } from './decontaminate.ts';
export type { EvaluationFile } from './evaluation.ts';
export { makeFilters } from './filters.ts';
