// Training steps of llmkit on random tokens, through the path that `llmkit finetune` takes; started by bench/finetune.mjs.
// usage: node steps.mjs MODEL lora|full fp32|bf16 BATCH LENGTH WARMUP STEPS [none|layer|auto]. Prints one line of JSON.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { finetuneSchema } from '../../dist/config/schema/finetune.js';
import { Random } from '../../dist/core/random.js';
import { openCheckpoint } from '../../dist/model/checkpoint.js';
import { targetNames } from '../../dist/model/lora-targets.js';
import { fullMethod, loraMethod } from '../../dist/train/methods.js';
import { runTraining } from '../../dist/train/run.js';

const [model, method, precision, ...numbers] = process.argv.slice(2);
const [batch, length, warmup, steps] = numbers.map(Number);
const memory = numbers[4] ?? 'none';
const checkpoint = openCheckpoint(model);
const { spec, weights: source } = checkpoint;
const settings = { r: 16, alpha: 32, dropout: 0, useRslora: false, targetModules: targetNames(spec, 'all-linear') };
const chosen = method === 'full' ? fullMethod(source) : loraMethod({ spec, source }, settings, { seed: 0 });
const numRows = (warmup + steps) * batch;
const random = new Random(0);
const rows = Array.from({ length: numRows }, () => {
  const inputIds = Int32Array.from({ length }, () => Math.floor(random.float() * spec.vocabSize));
  return { inputIds, labels: inputIds, seqLengths: Int32Array.of(length) };
});
const config = finetuneSchema.parse({
  seed: 0,
  method,
  precision,
  memory,
  per_device_train_batch_size: batch,
  max_steps: warmup + steps,
  eval_steps: 1000,
  save_steps: 1000,
  learning_rate: 1e-4,
  lr_scheduler_type: 'constant',
});

const checkpointFolder = mkdtempSync(join(tmpdir(), 'llmkit-bench-'));
const marks = [];
let loss;
const emit = (event) => {
  if (event.type !== 'step' || event.stage !== 'finetune') return;
  const { user, system } = process.cpuUsage();
  marks.push({ wall: performance.now() / 1000, cpu: (user + system) / 1e6 });
  loss = event.values.loss;
};
try {
  const result = await runTraining(
    {
      stage: 'finetune',
      config,
      spec,
      source,
      ...chosen,
      train: { numRows: rows.length, row: (index) => rows[index], maxLength: length },
      validation: undefined,
      engine: 'native',
      threads: undefined,
      resume: false,
      checkpointFolder: join(checkpointFolder, 'checkpoints'),
      fingerprint: {},
    },
    { emit, signal: new AbortController().signal, cwd: process.cwd() },
  );
  const timed = marks.slice(warmup - 1);
  const gaps = (key) => timed.slice(1).map((mark, index) => mark[key] - timed[index][key]);
  console.log(
    JSON.stringify({
      seconds: gaps('wall'),
      cpu: gaps('cpu'),
      firstStepSeconds: marks[0].wall,
      loss,
      peakBytes: result.peakBytes,
      trained: result.trainedParameters,
      versions: { node: process.version, engine: result.engine, memory: result.memory },
    }),
  );
} finally {
  rmSync(checkpointFolder, { recursive: true, force: true });
  checkpoint.close();
}
