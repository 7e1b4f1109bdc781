import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LlmkitEvent } from '../core/events.ts';
import { EventFile } from '../io/tensorboard.ts';
import { History, type Sample } from './report-history.ts';

export interface WatchOptions {
  stage: 'pretrain' | 'finetune';
  /** output_dir of the config: event files go to `tensorboard/<stage>/<begin>/` in it. */
  outputDir: string;
  reportTo: 'tensorboard' | 'none';
  /** Go on in the newest folder of event files. */
  resume: boolean;
  emit: (event: LlmkitEvent) => void;
}

/** Tags by the names of step values, as transformers' Trainer has them. */
const TAGS: Readonly<Record<string, string>> = {
  loss: 'train/loss',
  learning_rate: 'train/learning_rate',
  grad_norm: 'train/grad_norm',
  tokens_per_second: 'train/tokens_per_second',
  target_tokens: 'train/target_tokens',
  memory_gb: 'system/memory_gb',
};

/** Stands between a run and its reporters: adds memory to each step, keeps the history, and writes event files. */
export class RunWatch {
  readonly history = new History();
  readonly #options: WatchOptions;
  #file: EventFile | undefined;
  #broken: boolean;
  #begun = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#broken = options.reportTo === 'none';
  }

  /** Takes an event of the run and hands it on. */
  readonly emit = (given: LlmkitEvent): void => {
    const event = given.type === 'step' && given.unit === 'steps' ? withMemory(given) : given;
    this.#options.emit(event);
    this.history.event(event);
    if (event.type === 'step' && event.unit === 'steps') this.#step(event.current, event.values ?? {});
    else if (event.type === 'metric' && event.name === 'validation_loss' && event.step !== undefined) {
      const { step, value } = event;
      this.#write((file) => file.scalars(step, { 'eval/loss': value, 'eval/perplexity': Math.exp(value) }));
    }
  };

  /** What the model said at a step. */
  samples(step: number, answers: readonly Omit<Sample, 'step'>[]): void {
    for (const { prompt, text } of answers) {
      this.history.samples.push({ step, prompt, text });
      this.#options.emit({ type: 'note', message: `step ${step}, "${prompt}": ${text.trim()}` });
      this.#write((file) => file.text(step, `samples/${prompt.slice(0, 60)}`, text));
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#broken = true;
  }

  #step(step: number, values: Readonly<Record<string, number>>): void {
    this.#write((file) => {
      if (!this.#begun && step > 1) file.restart(step);
      this.#begun = true;
      const tagged = Object.entries(values).flatMap(([name, value]) => {
        const tag = TAGS[name];
        return tag === undefined ? [] : [[tag, value] as const];
      });
      file.scalars(step, Object.fromEntries(tagged));
    });
  }

  /** Event files are for looking on: one that cannot be written is a warning, once, and never the end of a run. */
  #write(write: (file: EventFile) => void): void {
    if (this.#broken) return;
    try {
      this.#file ??= new EventFile(this.#folder());
      write(this.#file);
    } catch (error) {
      this.#broken = true;
      const message = `no event files for TensorBoard: ${error instanceof Error ? error.message : String(error)}`;
      this.#options.emit({ type: 'warning', message, where: this.#options.outputDir });
    }
  }

  #folder(): string {
    const { outputDir, stage, resume } = this.#options;
    const all = join(outputDir, 'tensorboard', stage);
    mkdirSync(all, { recursive: true });
    const newest = readdirSync(all).sort().at(-1);
    if (resume && newest !== undefined) return join(all, newest);
    return join(all, new Date().toISOString().slice(0, 19).replaceAll(':', '-'));
  }
}

type StepEvent = Extract<LlmkitEvent, { type: 'step' }>;

function withMemory(event: StepEvent): StepEvent {
  const gigabytes = (bytes: number): number => Math.round(bytes / 1e6) / 1e3;
  const memory = {
    memory_gb: gigabytes(process.memoryUsage.rss()),
    peak_memory_gb: gigabytes(process.resourceUsage().maxRSS * 1024),
  };
  return { ...event, values: { ...event.values, ...memory } };
}
