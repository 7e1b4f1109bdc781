// Fine-tuning speed and memory, llmkit against PyTorch + transformers + PEFT (eager and compiled) and TRL. Build first. usage:
//   node bench/finetune.mjs [--only lora-bf16,lora-fp32,memory,compiled,job,full-vs-lora,long] [--python python3] [--out DIR]
//        [--rounds 2] [--warmup 3] [--steps 5] [--peers fp32,autocast,bf16]
//        [--model DIR --data FILE.jsonl --rows 500]  (the real job: a checkpoint with tokenizer, rows of question and answer)
// Models have the shapes of published ones and random weights; the bench writes them itself. Every run is a process of its own,
// in turns; tokens/s leave the warm-up out, peak memory does not. CPU seconds tell more than tokens/s on a busy machine.
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { realJob } from './finetune/job.mjs';
import { median } from './measure.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const text = (fallback) => ({ type: 'string', default: fallback });
const { values: flags } = parseArgs({
  options: {
    only: text('lora-bf16,lora-fp32,memory,compiled,job,full-vs-lora,long'),
    python: text(process.env.LLMKIT_PYTHON ?? 'python3'),
    out: text('runs/bench-finetune'),
    rounds: text('2'),
    warmup: text('3'),
    steps: text('5'),
    peers: text('fp32,autocast,bf16'),
    rows: text('500'),
    model: { type: 'string' },
    data: { type: 'string' },
  },
});
const out = resolve(flags.out);
const rounds = Number(flags.rounds);
mkdirSync(out, { recursive: true });
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}`);

const parts = {
  'lora-bf16': () => lora('bf16', flags.peers.split(',')),
  'lora-fp32': () => lora('fp32', ['fp32']),
  memory,
  compiled: () => lora('bf16', ['bf16'], ['compile']),
  job: () => realJob({ ...flags, out, rounds, run, smollm: () => shape('smollm2-135m') }),
  'full-vs-lora': fullAgainstLora,
  long,
};
for (const name of flags.only.split(',')) {
  console.log(`\n${name}`);
  await parts[name]();
}

/** LoRA steps at 4 x 512: llmkit, then each of the peer's ways, and so on; the peer's fastest counts. */
function lora(precision, peers, more = []) {
  const model = shape('smollm2-135m');
  const ours = [];
  const theirs = new Map(peers.map((peer) => [peer, []]));
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      ours.push(steps(`llmkit ${precision}`, ['llmkit', model, 'lora', precision, 4, 512]));
      theirs.get(peer).push(steps(['PEFT', peer, ...more].join(' '), ['peft', model, 'lora', peer, 4, 512], more));
    }
  }
  const speed = (results) => median(results.map(({ rate }) => rate));
  const fastest = peers.toSorted((a, b) => speed(theirs.get(b)) - speed(theirs.get(a)))[0];
  for (const peer of peers) {
    const results = theirs.get(peer);
    const mine = results.map((_, round) => ours[round * peers.length + peers.indexOf(peer)]);
    const ratio = (of) => results.map((other, i) => of(mine[i], other));
    const mark = peers.length > 1 && peer === fastest ? ' (its fastest)' : '';
    console.log(
      `llmkit ${precision} / PEFT ${peer}${mark}: tokens/s ${list(ratio((a, b) => a.rate / b.rate))}, ` +
        `CPU seconds ${list(ratio((a, b) => b.cpu / a.cpu))}, peak memory ${list(ratio((a, b) => a.peak / b.peak))}`,
    );
  }
}

/** Peaks alone need few steps: everything is allocated in the first two. */
function memory() {
  const model = shape('smollm2-135m');
  const short = { warmup: 1, steps: 1 };
  for (const precision of ['bf16', 'fp32']) {
    const kept = steps(`llmkit ${precision}`, ['llmkit', model, 'lora', precision, 4, 512], [], short);
    const args = ['llmkit', model, 'lora', precision, 4, 512];
    const again = steps(`llmkit ${precision}, memory: layer`, args, ['layer'], short);
    const eager = steps(`PEFT ${precision}`, ['peft', model, 'lora', precision, 4, 512], [], short);
    const of = (a, b) => (a.peak / b.peak).toFixed(2);
    console.log(`peak memory, ${precision}: llmkit / PEFT ${of(kept, eager)}; with memory: layer ${of(again, eager)}`);
  }
}

/** LoRA and full fine-tuning of one model, and PyTorch's full fine-tuning beside them: peak memory. */
function fullAgainstLora() {
  const model = shape('qwen2.5-0.5b');
  const short = { warmup: 1, steps: 1 };
  const adapter = steps('llmkit LoRA bf16', ['llmkit', model, 'lora', 'bf16', 1, 512], [], short);
  const whole = steps('llmkit full fp32', ['llmkit', model, 'full', 'fp32', 1, 512], [], short);
  const theirs = steps('PyTorch full fp32', ['peft', model, 'full', 'fp32', 1, 512], [], short);
  const of = (a, b) => (a.peak / b.peak).toFixed(2);
  console.log(`peak memory: LoRA / full ${of(adapter, whole)}; full, llmkit / PyTorch ${of(whole, theirs)}`);
}

function long() {
  const model = shape('smollm2-135m');
  const [short, twice] = [4096, 8192].map((length) =>
    steps(`llmkit bf16 1 x ${length}`, ['llmkit', model, 'lora', 'bf16', 1, length], ['auto'], { warmup: 1, steps: 1 }),
  );
  console.log(`peak memory at 8192 / at 4096: ${(twice.peak / short.peak).toFixed(2)}`);
}

/** Runs some steps in a process of their own. */
function steps(name, [kind, model, method, precision, batch, length], more = [], counts = flags) {
  const args = [model, method, precision, batch, length, counts.warmup, counts.steps, ...more].map(String);
  const script = kind === 'llmkit' ? ['finetune', 'steps.mjs'] : ['peers', 'lora_steps.py'];
  const { output } = run(kind === 'llmkit' ? process.execPath : flags.python, [join(here, ...script), ...args]);
  const line = JSON.parse(output.trim().split('\n').at(-1));
  appendFileSync(join(out, 'runs.jsonl'), `${JSON.stringify({ name, batch, length, ...line })}\n`);
  const rate = (batch * length) / median(line.seconds);
  const cpu = median(line.cpu);
  const result = { rate, cpu, peak: line.peakBytes };
  console.log(
    `${name}: ${rate.toFixed(0)} tokens/s, ${cpu.toFixed(2)} CPU-seconds a step, ${gigabytes(line.peakBytes)}, ` +
      `${line.firstStepSeconds.toFixed(1)} s until the first step is done`,
  );
  return result;
}

/** A command's standard output and its seconds; it ends the bench when it fails. */
function run(command, args, options = {}) {
  // glibc gives large tensors back to the system after each op; kept, PyTorch is several times faster where pages are dear.
  const keep = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '100000000000', MALLOC_TOP_PAD_: '268435456' };
  const env = { ...process.env, CUDA_VISIBLE_DEVICES: '', ...(command === flags.python ? keep : {}) };
  const start = performance.now();
  const result = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env,
    maxBuffer: 2 ** 28,
    ...options,
  });
  const failure = () =>
    new Error(`${command} ${args.join(' ')} ended with ${result.status ?? result.signal}:\n${result.stderr}`);
  if (result.status !== 0) throw result.error ?? failure();
  return { output: result.stdout, seconds: (performance.now() - start) / 1000 };
}

/** A model of this shape, written when first asked for. */
function shape(name) {
  const folder = join(out, 'models', name);
  if (!existsSync(folder)) {
    mkdirSync(join(out, 'models'), { recursive: true });
    execFileSync(flags.python, [join(here, 'peers', 'model_shape.py'), name, `${folder}.part`], { stdio: 'ignore' });
    renameSync(`${folder}.part`, folder);
  }
  return folder;
}

function list(values) {
  const shown = values.map((value) => value.toFixed(2)).join(', ');
  return values.length > 1 ? `${median(values).toFixed(2)} (${shown})` : shown;
}

function gigabytes(bytes) {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
