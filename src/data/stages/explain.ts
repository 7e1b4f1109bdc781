import { closeSync, mkdirSync, openSync } from 'node:fs';
import type { PrepareConfig } from '../../config/index.ts';
import { ioError, writeAll } from '../../io/atomic.ts';
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

const BUFFER_UNITS = 2 ** 20;

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
  readonly #path: string;
  readonly #fd: number;
  #pending = '';

  constructor(work: Work, stage: StageName, index: number) {
    mkdirSync(work.path('explain'), { recursive: true });
    this.output = `explain/${stage}-${pad(index)}.jsonl`;
    this.#path = work.path(this.output);
    this.#fd = openSync(this.#path, 'w');
  }

  write(row: Explanation): void {
    this.#pending += `${JSON.stringify(row)}\n`;
    if (this.#pending.length >= BUFFER_UNITS) this.#flush();
  }

  finish(): void {
    this.#flush();
    closeSync(this.#fd);
  }

  abort(): void {
    closeSync(this.#fd);
  }

  #flush(): void {
    const bytes = Buffer.from(this.#pending, 'utf8');
    this.#pending = '';
    try {
      writeAll(this.#fd, bytes);
    } catch (error) {
      throw ioError(error, 'cannot write the dropped rows', this.#path);
    }
  }
}
