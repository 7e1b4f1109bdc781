import { readFileSync } from 'node:fs';

/** What transformers, PEFT and torch say: test/golden/train/make_oracles.py. */
interface Oracles {
  losses: {
    hidden: number[];
    head: number[];
    labels: number[];
    shape: [number, number, number];
    cases: { smoothing: number; z_loss: number; loss_sum: number; d_hidden: number[]; d_head: number[] }[];
  };
  decays: Record<string, Record<string, boolean>>;
  length_groups: { lengths: number[]; order: number[]; group: number; grouped: number[] }[];
  stopping: { losses: number[]; patience: number; threshold: number; stopped: number | null; best: number }[];
}

interface Schedules {
  cases: {
    type: string;
    kwargs: Record<string, number | string>;
    warmup_steps: number;
    total_steps: number;
    rates: number[];
  }[];
}

/** test/golden/train/make_accumulation.py */
interface Accumulation {
  learning_rate: number;
  weight_decay: number;
  max_grad_norm: number;
  steps: {
    micro_batches: { input_ids: number[]; labels: number[]; seq_lengths: number[] }[][];
    targets: number;
    loss: number;
    grad_norm: number;
  }[];
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../golden/train/${name}`, import.meta.url), 'utf8'));

export const readOracles = (): Oracles => read('oracles.json') as Oracles;
export const readSchedules = (): Schedules => read('schedules.json') as Schedules;
export const readAccumulation = (): Accumulation => read('accumulation.json') as Accumulation;
