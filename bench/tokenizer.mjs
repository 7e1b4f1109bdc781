// BPE training and encoding against HF tokenizers (Rust), in turns (A B A B), each run in a process of its own with a
// fresh tokenizer, every document once. Build first. usage:
//   node bench/tokenizer.mjs [--rounds 3] [--vocab 16000] [--python python3] FILE.txt|FILE.jsonl...
// A text file's lines are its documents; of a jsonl file each line's strings are one. Without files: the shared data.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadTokenizer, saveTokenizer, trainBpe } from '../dist/tokenizer/index.js';

const SPECIAL = ['<|endoftext|>'];
const self = fileURLToPath(import.meta.url);
if (process.argv[2] === '--child') await child(...process.argv.slice(3));
else await main();

/** One measured run of llmkit's; prints the line that the peer prints. */
async function child(mode, docsPath, dir, vocab) {
  const docs = JSON.parse(readFileSync(docsPath, 'utf8'));
  const result = { seconds: 0, tokens: 0, checksum: 0 };
  if (mode === 'train') {
    const start = performance.now();
    const json = await trainBpe(docs, { vocabSize: Number(vocab), specialTokens: SPECIAL, pretokenizer: 'llama3' });
    result.seconds = (performance.now() - start) / 1000;
    for (const [token, id] of Object.entries(json.model.vocab)) {
      result.tokens++;
      result.checksum = (result.checksum + (id + 1) * [...token].length) % 2 ** 31;
    }
  } else {
    const tokenizer = loadTokenizer(dir);
    const start = performance.now();
    const encodings = docs.map((doc) => tokenizer.encode(doc));
    result.seconds = (performance.now() - start) / 1000;
    for (const ids of encodings) {
      result.tokens += ids.length;
      for (let i = 0; i < ids.length; i++) result.checksum = (result.checksum + (i + 1) * (ids[i] + 1)) % 2 ** 31;
    }
  }
  console.log(JSON.stringify(result));
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string' }, vocab: { type: 'string' }, python: { type: 'string' } },
  });
  const rounds = Number(values.rounds ?? 3);
  const vocab = values.vocab ?? '16000';
  const python = values.python ?? process.env.LLMKIT_PYTHON ?? 'python3';
  const docs = (positionals.length > 0 ? positionals : sharedFiles()).flatMap(documents);
  const megabytes = docs.reduce((sum, doc) => sum + Buffer.byteLength(doc), 0) / 1e6;
  const dir = mkdtempSync(join(tmpdir(), 'llmkit-bench-'));
  try {
    const docsPath = join(dir, 'docs.json');
    writeFileSync(docsPath, JSON.stringify(docs));
    const json = await trainBpe(docs, { vocabSize: Number(vocab), specialTokens: SPECIAL, pretokenizer: 'llama3' });
    saveTokenizer(dir, json);
    console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}`);
    console.log(`${docs.length} documents, ${megabytes.toFixed(2)} MB, vocabulary ${vocab}, ${rounds} rounds`);
    const peer = join(fileURLToPath(new URL('.', import.meta.url)), 'peers', 'tokenizers_hf.py');
    const ours = (mode) => run(process.execPath, [self, '--child', mode, docsPath, dir, vocab]);
    const theirs = (mode) => run(python, [peer, mode, docsPath, join(dir, 'tokenizer.json'), vocab]);
    for (const [name, mode, peerMode] of [
      ['train, 1 thread against all', 'train', 'train'],
      ['encode, 1 thread against 1', 'encode', 'encode-1'],
      ['encode, 1 thread against all', 'encode', 'encode'],
    ]) {
      compare(
        name,
        megabytes,
        rounds,
        () => ours(mode),
        () => theirs(peerMode),
      );
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function compare(name, megabytes, rounds, ours, theirs) {
  const a = [];
  const b = [];
  for (let round = 0; round < rounds; round++) {
    a.push(ours());
    b.push(theirs());
    const [x, y] = [a.at(-1), b.at(-1)];
    if (x.tokens === y.tokens && x.checksum === y.checksum) continue;
    throw new Error(`${name}: the results differ (${JSON.stringify(x)} against ${JSON.stringify(y)})`);
  }
  const [x, y] = [median(a), median(b)];
  const rate = (seconds) => `${seconds.toFixed(3)} s, ${(megabytes / seconds).toFixed(2)} MB/s`;
  const ratio = (y / x).toFixed(1);
  console.log(
    `${name}: llmkit ${rate(x)} · HF tokenizers ${b[0].version} ${rate(y)} · ${ratio}x (same result, ${a[0].tokens} tokens)`,
  );
}

function median(results) {
  const seconds = results.map((result) => result.seconds).toSorted((p, q) => p - q);
  const middle = seconds.length >> 1;
  return seconds.length % 2 === 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
}

function run(command, args) {
  const environment = { ...process.env, CUDA_VISIBLE_DEVICES: '', TOKENIZERS_PARALLELISM: 'true' };
  return JSON.parse(execFileSync(command, args, { encoding: 'utf8', env: environment }));
}

function sharedFiles() {
  const shared = process.env.LLMKIT_SHARED ?? fileURLToPath(new URL('../../shared', import.meta.url));
  return ['gsm8k_train.jsonl', 'tinyshakespeare.txt'].map((name) => join(shared, 'data', name));
}

function documents(path) {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  if (!path.endsWith('.jsonl')) return lines;
  return lines.map((line) =>
    Object.values(JSON.parse(line))
      .filter((value) => typeof value === 'string')
      .join('\n'),
  );
}
