import { mkdirSync } from 'node:fs';
import type { PrepareConfig } from '../../config/index.ts';
import { BufferedFile } from '../../io/buffered-file.ts';
import { pad, type StageName, type Work } from './work.ts';

/** One dropped row: a line of explain/*.jsonl. */
export interface Explanation {
  row: string;
  stage: string;
  rule: string;
  value: string | number;
  limit: string | number;
  text?: string;
}

/** The writer of a task's dropped rows, where the config asks for them. */
export function explainWriter(
  work: Work,
  config: PrepareConfig,
  stage: StageName,
  index: number,
): ExplainWriter | undefined {
  return config.explain ? new ExplainWriter(work, stage, index) : undefined;
}

export class ExplainWriter {
  readonly output: string;
  readonly #file: BufferedFile;

  constructor(work: Work, stage: StageName, index: number) {
    mkdirSync(work.path('explain'), { recursive: true });
    this.output = `explain/${stage}-${pad(index)}.jsonl`;
    this.#file = new BufferedFile(work.path(this.output), 'the dropped rows');
  }

  write(row: Explanation): void {
    this.#file.write(`${JSON.stringify(row)}\n`);
  }

  finish(): void {
    this.#file.finish();
  }

  abort(): void {
    this.#file.abort();
  }
}
