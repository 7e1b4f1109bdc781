// LoRA on gsm8k, llmkit against transformers + PEFT: same prepared rows, same order, same first adapter, same AdamW and
// schedule, fp32. Build first. Each part leaves its output in --out and is skipped when that is there. usage:
//   node bench/finetune-gsm8k.mjs [--steps N] [--out DIR] [--python python3] [--rounds 2] [--speed-steps 6]
//        [--only prepare,train,peer,compare,perplexity,logits,speed]
// Models and data come from $LLMKIT_SHARED, or ../shared beside the checkout.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openPrepared } from '../dist/data/prepared.js';
import { documentStarts } from '../dist/decoder/packed-attention.js';
import { buildTrainingGraph } from '../dist/decoder/training.js';
import { chooseEngine } from '../dist/engine/tf/index.js';
import { lowerToTensorFlow } from '../dist/graph/index.js';
import { readAdapter, writeAdapter } from '../dist/model/adapter.js';
import { openCheckpoint } from '../dist/model/checkpoint.js';
import { targetNames } from '../dist/model/lora-targets.js';
import { StepPlan } from '../dist/train/batches.js';
import { weightsOf } from '../dist/train/programs.js';
import { initLora } from '../dist/train/weights.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const shared = process.env.LLMKIT_SHARED ?? fileURLToPath(new URL('../../shared', import.meta.url));
const { values: flags } = parseArgs({
  options: {
    steps: { type: 'string' },
    out: { type: 'string' },
    python: { type: 'string' },
    rounds: { type: 'string' },
    'speed-steps': { type: 'string' },
    only: { type: 'string' },
  },
});
const out = resolve(flags.out ?? 'runs/bench-finetune-gsm8k');
const python = flags.python ?? process.env.LLMKIT_PYTHON ?? 'python3';
const only = flags.only?.split(',');
const model = join(shared, 'models', 'base-16m');
const [r, alpha, batch, seed, learningRate] = [16, 32, 8, 42, 1e-3];
const paths = {
  config: join(out, 'config.yaml'),
  prepared: join(out, 'run', 'prepared'),
  adapter: join(out, 'run', 'adapter'),
  plan: join(out, 'plan.json'),
  first: join(out, 'first-adapter'),
  ours: join(out, 'llmkit.jsonl'),
  theirs: join(out, 'peft.jsonl'),
  peerAdapter: join(out, 'peft-adapter'),
};

mkdirSync(out, { recursive: true });
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}`);
for (const [name, part] of Object.entries({ prepare, train, peer, compare, perplexity, logits, speed })) {
  if (only === undefined || only.includes(name)) await part();
}

function prepare() {
  writeFileSync(
    paths.config,
    `version: 1
output_dir: run
seed: ${seed}
model: { name_or_path: ${JSON.stringify(model)} }
prepare:
  sources:
    - path: ${JSON.stringify(join(shared, 'data', 'gsm8k_train.jsonl'))}
      columns: { prompt: question, completion: answer }
  split: { validation: 0.02 }
  max_length: 512
  overlength: drop
finetune:
  lora: { r: ${r}, lora_alpha: ${alpha}, target_modules: all-linear }
  learning_rate: ${learningRate}
  per_device_train_batch_size: ${batch}
  warmup_ratio: 0.03
  precision: fp32
  eval_steps: 75
  save_steps: 50
`,
  );
  llmkit(['prepare', '-c', paths.config], 'inherit');
  exportPlan();
}

/** What the peer needs to do the same: row indices of every step, the schedule, and the first adapter. */
function exportPlan() {
  const prepared = openPrepared(paths.prepared);
  const plan = new StepPlan({ numRows: prepared.split('train').numRows, seed, batch, accumulation: 1 });
  const steps = Math.min(Number(flags.steps ?? plan.stepsPerEpoch), plan.stepsPerEpoch);
  const rows = Array.from({ length: steps }, (_, step) => plan.rowsOf(step).flatMap((part) => [...part]));
  writeFileSync(
    paths.plan,
    JSON.stringify({
      batch,
      learning_rate: learningRate,
      warmup_steps: Math.ceil(steps * 0.03),
      total_steps: steps,
      adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0, max_grad_norm: 1 },
      validate_after: rows.map((_, step) => step + 1).filter((step) => step % 75 === 0 || step === steps),
      steps: rows,
    }),
  );
  prepared.close();
  const checkpoint = openCheckpoint(model);
  const { spec } = checkpoint;
  const lora = { r, scaling: alpha / r, dropout: 0, targets: () => true };
  const first = initLora(weightsOf({ spec, lora, matrixDType: 'f32', memory: 'none', accumulate: false }), seed);
  const factors = new Map();
  for (const [name, A] of first) {
    const module = /^(.*)\.lora_A\.weight$/.exec(name)?.[1];
    if (module !== undefined) factors.set(module, { A, B: first.get(`${module}.lora_B.weight`) });
  }
  const targetModules = targetNames(spec, 'all-linear');
  const settings = { r, alpha, dropout: 0, useRslora: false, targetModules };
  writeAdapter(paths.first, { spec, lora: settings, factors, baseModel: model });
  checkpoint.close();
}

function train() {
  if (existsSync(paths.ours)) return;
  const { total_steps: steps } = readJson(paths.plan);
  const args = ['finetune', '--lora', '-c', paths.config, '--set', `finetune.max_steps=${steps}`, '--output', 'jsonl'];
  llmkit(args, paths.ours);
}

function peer() {
  if (existsSync(paths.theirs)) return;
  peft(['train', model, paths.prepared, paths.plan, paths.first, paths.peerAdapter, 'fp32', 'targets'], paths.theirs);
}

function compare() {
  const ours = llmkitSteps(paths.ours);
  const theirs = readLines(paths.theirs);
  const peerSteps = theirs.filter(({ loss }) => loss !== undefined);
  const gaps = peerSteps.map(({ loss }, i) => Math.abs(ours.steps[i].values.loss - loss) / loss);
  console.log(`loss, relative difference over ${gaps.length} steps: largest ${largest(gaps)}, mean ${mean(gaps)}`);
  for (const step of [1, 2, 10, 20, 50, 100, 200, peerSteps.length].filter((n) => n <= peerSteps.length)) {
    const [a, b] = [ours.steps[step - 1].values, peerSteps[step - 1]];
    const norms = `gradient norm ${a.grad_norm.toFixed(5)} · ${b.grad_norm.toFixed(5)}`;
    console.log(`step ${step}: loss llmkit ${a.loss.toFixed(5)} · PEFT ${b.loss.toFixed(5)}, ${norms}`);
  }
  for (const { step, validation_loss: loss } of theirs.filter((line) => line.validation_loss !== undefined)) {
    const mine = ours.validation.find((metric) => metric.step === step)?.value;
    const gap = mine === undefined ? '' : ` (${percent(mine / loss - 1)})`;
    console.log(`validation loss after step ${step}: llmkit ${mine?.toFixed(5)} · PEFT ${loss.toFixed(5)}${gap}`);
  }
}

function perplexity() {
  const test = join(shared, 'data', 'gsm8k_test.jsonl');
  const file = join(out, 'perplexity.jsonl');
  if (!existsSync(file)) {
    peft(['perplexity', model, test, 'question', 'answer', paths.adapter, paths.peerAdapter], file);
  }
  const [base, ours, theirs] = readLines(file);
  console.log(
    `perplexity of ${base.documents} test answers (${base.targets} tokens), by transformers in fp32: base ${base.perplexity.toFixed(4)}, ` +
      `llmkit's adapter ${ours.perplexity.toFixed(4)}, PEFT's ${theirs.perplexity.toFixed(4)} (${percent(ours.perplexity / theirs.perplexity - 1)})`,
  );
}

/** Logits of base and adapter on whole packed rows, ours against PEFT's. */
async function logits() {
  const prepared = openPrepared(paths.prepared);
  const rows = Array.from({ length: 4 }, (_, i) => prepared.split('validation').row(i));
  const checkpoint = openCheckpoint(model);
  const { spec } = checkpoint;
  const { factors } = readAdapter(paths.adapter, spec);
  const length = 512;
  const { graph, weights } = buildTrainingGraph({
    spec,
    shape: { batch: rows.length, length, band: length, blockSize: 256 },
    targets: 1,
    matrixDType: 'f32',
    lora: { r, scaling: alpha / r, dropout: 0, targets: (module) => factors.has(module) },
    produce: 'logits',
  });
  const engine = await chooseEngine({ engine: 'auto', bf16: false });
  const ids = new Int32Array(rows.length * length);
  const starts = new Int32Array(rows.length * length);
  rows.forEach((row, i) => {
    ids.set(row.inputIds, i * length);
    documentStarts(row.seqLengths, starts.subarray(i * length, (i + 1) * length));
  });
  const feeds = {
    input_ids: engine.tensor(ids, [ids.length], 'i32'),
    document_starts: engine.tensor(starts, [rows.length, length], 'i32'),
  };
  for (const { name, shape } of weights) {
    const [, module, factor] = /^(.*)\.lora_(A|B)\.weight$/.exec(name) ?? [];
    const data = module === undefined ? checkpoint.weights.readF32(name) : factors.get(module)[factor].slice();
    feeds[name] = engine.tensor(data, shape, 'f32');
  }
  const values = engine.read(engine.load(lowerToTensorFlow(graph, engine.kind)).run(feeds).logits);
  const [rowsPath, logitsPath] = [join(out, 'rows.json'), join(out, 'logits.f32')];
  writeFileSync(logitsPath, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const plain = rows.map(({ inputIds, labels, positionIds, seqLengths }) => ({
    input_ids: [...inputIds],
    labels: [...labels],
    position_ids: [...positionIds],
    seq_lengths: [...seqLengths],
  }));
  writeFileSync(rowsPath, JSON.stringify(plain));
  engine.dispose();
  checkpoint.close();
  prepared.close();
  const file = join(out, 'logits.json');
  peft(['logits', model, paths.adapter, rowsPath, logitsPath], file);
  console.log(`logits of llmkit's adapter, llmkit against PEFT: ${readFileSync(file, 'utf8').trim()}`);
}

/** Some steps of each in turns, every run in a process of its own; the first two steps warm up and do not count. */
function speed() {
  const steps = Number(flags['speed-steps'] ?? 6);
  const rounds = Number(flags.rounds ?? 2);
  const planPath = join(out, 'speed-plan.json');
  const plan = readJson(paths.plan);
  const short = { ...plan, steps: plan.steps.slice(0, steps), total_steps: steps, validate_after: [] };
  writeFileSync(planPath, JSON.stringify(short));
  const ours = (name, args, most = steps) => [
    name,
    (file) => {
      const sets = [`output_dir=${join(out, 'speed')}`, `finetune.max_steps=${most}`];
      const where = join(out, 'speed', 'prepared');
      mkdirSync(join(out, 'speed'), { recursive: true });
      if (!existsSync(where)) execFileSync('cp', ['-r', paths.prepared, where]);
      llmkit(
        ['finetune', '--lora', '-c', paths.config, ...sets.flatMap((s) => ['--set', s]), ...args, '--output', 'jsonl'],
        file,
      );
      const { steps: taken, result } = llmkitSteps(file);
      const rates = taken.slice(2).map(({ values }) => values.tokens_per_second);
      return { rate: harmonicMean(rates), peak: result.peakBytes };
    },
  ];
  const theirs = (name, precision) => [
    name,
    (file) => {
      peft(['train', model, paths.prepared, planPath, paths.first, join(out, 'speed', 'peft'), precision, 'all'], file);
      const lines = readLines(file);
      const rates = lines.filter(({ loss }) => loss !== undefined).map(({ tokens, seconds }) => tokens / seconds);
      return { rate: harmonicMean(rates.slice(2)), peak: lines.at(-1).peak_bytes };
    },
  ];
  const runs = [
    ours('llmkit native fp32', ['--set', 'finetune.precision=fp32']),
    theirs('PEFT fp32', 'fp32'),
    ours('llmkit native auto', ['--set', 'finetune.precision=auto']),
    theirs('PEFT autocast bf16', 'autocast'),
    ours('llmkit wasm', ['--engine', 'wasm'], 4),
  ];
  const results = new Map(runs.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of runs) {
      const result = run(join(out, `speed-${name.replaceAll(' ', '-')}-${round}.jsonl`));
      results.get(name).push(result);
      console.log(`${name}, round ${round + 1}: ${result.rate.toFixed(0)} tokens/s, ${gigabytes(result.peak)}`);
    }
  }
  const best = (name) => Math.max(...results.get(name).map(({ rate }) => rate));
  for (const [a, b] of [
    ['llmkit native fp32', 'PEFT fp32'],
    ['llmkit native auto', 'PEFT autocast bf16'],
    ['llmkit wasm', 'llmkit native fp32'],
  ]) {
    const ratios = results.get(a).map(({ rate }, i) => (rate / results.get(b)[i].rate).toFixed(2));
    console.log(`${a} / ${b}: ${ratios.join(', ')} by rounds; best against best ${(best(a) / best(b)).toFixed(2)}`);
  }
}

function llmkit(args, to) {
  run(process.execPath, [join(here, '..', 'bin', 'llmkit.js'), ...args], to);
}

function peft(args, to) {
  run(python, [join(here, 'peers', 'finetune_peft.py'), ...args], to);
}

/** Runs a command, its standard output into a file that has its name only when the command succeeded. */
function run(command, args, to) {
  const file = to === 'inherit' ? undefined : openSync(`${to}.part`, 'w');
  // glibc gives large tensors back to the system after each op; kept, PyTorch is several times faster where pages are dear.
  const keep = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '100000000000', MALLOC_TOP_PAD_: '268435456' };
  const environment = { ...process.env, CUDA_VISIBLE_DEVICES: '', ...(command === python ? keep : {}) };
  const { status, error } = spawnSync(command, args, {
    stdio: ['ignore', file ?? 'inherit', 'inherit'],
    env: environment,
  });
  if (file !== undefined) closeSync(file);
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(' ')} ended with ${status}`);
  if (file !== undefined) renameSync(`${to}.part`, to);
}

function llmkitSteps(file) {
  const events = readLines(file);
  return {
    steps: events.filter(({ type, stage }) => type === 'step' && stage === 'finetune'),
    validation: events.filter(({ type, name }) => type === 'metric' && name === 'validation_loss'),
    result: events.at(-1).result.data,
  };
}

function readLines(file) {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function largest(numbers) {
  return Math.max(...numbers).toExponential(2);
}

function mean(numbers) {
  return (numbers.reduce((sum, x) => sum + x, 0) / numbers.length).toExponential(2);
}

function harmonicMean(rates) {
  return rates.length / rates.reduce((sum, rate) => sum + 1 / rate, 0);
}

function percent(share) {
  return `${(share * 100).toFixed(3)}%`;
}

function gigabytes(bytes) {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
