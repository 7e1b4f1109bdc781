// Encoding with byte-level BPE against HF tokenizers (Rust): both with two threads, A B A B, every run a process of its
// own with a fresh tokenizer, every document once. The ids must be equal. Build first. usage:
//   node bench/encode.mjs [--rounds 3] [--threads 2] [--python python3] TOKENIZER_FOLDER FILE.jsonl...
// A line of a file is one document, {"text": ...}; bench/corpora.mjs makes such files, bench/corpora.json names them.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { loadTokenizer } from '../dist/tokenizer/index.js';

const self = fileURLToPath(import.meta.url);
if (!isMainThread) work(workerData);
else if (process.argv[2] === '--child') await child(...process.argv.slice(3));
else main();

/** Encodes every `step`th document from the `first` when told to, and answers; then tells what came out. */
function work({ dir, path, first, step }) {
  const tokenizer = loadTokenizer(dir);
  const docs = readDocuments(path).filter((_, i) => i % step === first);
  let encodings = [];
  parentPort.on('message', (task) => {
    if (task === 'encode') {
      encodings = docs.map((doc) => tokenizer.encode(doc));
      parentPort.postMessage('done');
      return;
    }
    const tokens = encodings.reduce((sum, ids) => sum + ids.length, 0);
    parentPort.postMessage({ tokens, digests: encodings.map((ids) => createHash('sha256').update(ids).digest('hex')) });
    parentPort.close();
  });
  parentPort.postMessage('ready');
}

/** One measured run of llmkit's; prints the line that the peer prints. */
async function child(dir, path, threads) {
  const step = Number(threads);
  const workers = Array.from(
    { length: step },
    (_, first) => new Worker(self, { workerData: { dir, path, first, step } }),
  );
  const answers = () => Promise.all(workers.map((worker) => once(worker, 'message')));
  await answers();
  const start = performance.now();
  const before = process.cpuUsage();
  for (const worker of workers) worker.postMessage('encode');
  await answers();
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(before);
  const cpuSeconds = (used.user + used.system) / 1e6;
  for (const worker of workers) worker.postMessage('report');
  const parts = (await answers()).map(([part]) => part);
  const count = parts.reduce((sum, { digests }) => sum + digests.length, 0);
  const all = createHash('sha256');
  for (let i = 0; i < count; i++) all.update(parts[i % step].digests[Math.floor(i / step)]);
  const tokens = parts.reduce((sum, part) => sum + part.tokens, 0);
  console.log(JSON.stringify({ seconds, cpuSeconds, tokens, digest: all.digest('hex') }));
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string' }, threads: { type: 'string' }, python: { type: 'string' } },
  });
  const [dir, ...files] = positionals;
  if (files.length === 0) throw new Error('usage: node bench/encode.mjs TOKENIZER_FOLDER FILE.jsonl...');
  const rounds = Number(values.rounds ?? 3);
  const threads = values.threads ?? '2';
  const python = values.python ?? process.env.LLMKIT_PYTHON ?? 'python3';
  const peer = join(fileURLToPath(new URL('.', import.meta.url)), 'peers', 'encode_hf.py');
  console.log(
    `${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, ${threads} threads, ${rounds} rounds`,
  );
  for (const path of files) {
    const bytes = readDocuments(path).reduce((sum, doc) => sum + Buffer.byteLength(doc), 0);
    const pairs = [];
    for (let round = 0; round < rounds; round++) {
      const ours = run(process.execPath, [self, '--child', dir, path, threads], threads);
      const theirs = run(python, [peer, join(dir, 'tokenizer.json'), path], threads);
      if (ours.tokens !== theirs.tokens || ours.digest !== theirs.digest) {
        throw new Error(`${path}: the ids differ (${ours.tokens} against ${theirs.tokens} tokens)`);
      }
      pairs.push([ours, theirs]);
    }
    report(path, bytes / 1e6, pairs);
  }
}

function report(path, megabytes, pairs) {
  const [a, b] = pairs[0];
  const rate = (seconds) => `${(megabytes / seconds).toFixed(1)} MB/s`;
  const ours = median(pairs.map(([x]) => x.seconds));
  console.log(`${path}: ${megabytes.toFixed(1)} MB, ${a.tokens} tokens, the same ids; llmkit ${rate(ours)}`);
  for (const method of Object.keys(b.methods)) {
    const theirs = median(pairs.map(([, y]) => y.methods[method].seconds));
    const ratios = pairs.map(([x, y]) => y.methods[method].seconds / x.seconds);
    const cpu = median(pairs.map(([x, y]) => y.methods[method].cpuSeconds / x.cpuSeconds));
    const each = ratios.map((ratio) => ratio.toFixed(1)).join(' ');
    console.log(
      `  HF tokenizers ${b.version} ${method} ${rate(theirs)}: ${median(ratios).toFixed(1)}x (${each}), ${cpu.toFixed(1)}x in CPU seconds`,
    );
  }
}

function median(numbers) {
  const sorted = numbers.toSorted((p, q) => p - q);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function run(command, args, threads) {
  const env = { ...process.env, CUDA_VISIBLE_DEVICES: '', TOKENIZERS_PARALLELISM: 'true', RAYON_NUM_THREADS: threads };
  return JSON.parse(execFileSync(command, args, { encoding: 'utf8', env }));
}

function readDocuments(path) {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line).text);
}
