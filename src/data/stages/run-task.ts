import { LlmkitError } from '../../core/errors.ts';
import { loadTokenizer, type Tokenizer } from '../../tokenizer/index.ts';
import type { RowStep } from '../row-step.ts';
import { decideTask } from './decide-task.ts';
import { encodeTask } from './encode-task.ts';
import { exactTask, type GroupResult, nearTask, slicesOf } from './group-tasks.ts';
import type { Part } from './parts.ts';
import { type Plan, readPlan, tokenizerDir } from './plan.ts';
import type { Pulse } from './pulse.ts';
import { bandsOf, readTask, type ReadResult } from './read-task.ts';
import { makeSteps } from './steps.ts';
import { tokenizerTask, wordsTask } from './tokenizer-tasks.ts';
import type { StageName, Work } from './work.ts';

/**
 * Runs any task of any stage in a work folder, knowing only the folder: what it needs of earlier stages it reads from
 * their files. One is kept for a thread, for what is dear to load.
 */
export class TaskRunner {
  readonly #work: Work;
  #plan: Plan | undefined;
  #parts: Part[] | undefined;
  #steps: Promise<RowStep[]> | undefined;
  #tokenizer: Tokenizer | undefined;
  #bandCount: number | undefined;

  constructor(work: Work) {
    this.#work = work;
  }

  /** Runs one task and marks it as done. */
  async run(stage: StageName, index: number, pulse: Pulse): Promise<void> {
    const { outputs, result } = await this.#run(stage, index, pulse);
    this.#work.finish(stage, index, outputs, result);
  }

  /** How many tasks a stage has, once the stages before it are done. */
  count(stage: StageName): number {
    const { dedup, tokenizer } = this.plan.config;
    switch (stage) {
      case 'read':
        return this.plan.shards.length;
      case 'exact':
        return dedup.exact ? slicesOf(this.rows) : 0;
      case 'near':
        return this.#bands * slicesOf(this.rows);
      case 'decide':
        return 1;
      case 'words':
        return 'type' in tokenizer ? this.parts.length : 0;
      case 'tokenizer':
        return 'type' in tokenizer ? 1 : 0;
      case 'encode':
        return this.parts.length;
    }
  }

  get plan(): Plan {
    this.#plan ??= readPlan(this.#work);
    return this.#plan;
  }

  /** The parts that `read` made, in the order of the shards. */
  get parts(): readonly Part[] {
    this.#parts ??= this.#work.results<ReadResult>('read', this.plan.shards.length).flatMap(({ parts }) => parts);
    return this.#parts;
  }

  get #bands(): number {
    this.#bandCount ??= bandsOf(this.plan.config.dedup.near).bands;
    return this.#bandCount;
  }

  get rows(): number {
    return this.parts.reduce((sum, part) => sum + part.rows, 0);
  }

  async #run(stage: StageName, index: number, pulse: Pulse): Promise<{ outputs: string[]; result: unknown }> {
    const work = this.#work;
    const { plan } = this;
    switch (stage) {
      case 'read':
        this.#steps ??= makeSteps(plan);
        return readTask(work, plan, index, await this.#steps, pulse);
      case 'exact':
        return exactTask(work, this.parts, index, slicesOf(this.rows), pulse);
      case 'near':
        return nearTask(work, this.parts, index, slicesOf(this.rows), pulse);
      case 'decide': {
        const groups = (name: 'exact' | 'near') => work.results<GroupResult>(name, this.count(name));
        return decideTask(work, plan, this.parts, { exact: groups('exact'), near: groups('near') });
      }
      case 'words':
        return wordsTask(work, plan, this.parts, index, pulse);
      case 'tokenizer': {
        const files = work.results<{ file: string }>('words', this.count('words')).map(({ file }) => file);
        return tokenizerTask(work, plan, files);
      }
      case 'encode':
        this.#tokenizer ??= loadTokenizer(tokenizerDir(work));
        return encodeTask(work, plan, this.parts, index, this.#tokenizer, pulse);
      default:
        throw new LlmkitError('bug', `there is no stage ${String(stage)}`);
    }
  }
}
