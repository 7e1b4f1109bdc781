// BPE training against HF tokenizers' BpeTrainer (Rust, all its threads): two threads count, one learns merges. In turns
// (A B A B), each run in a process of its own with the texts already in memory; the merges must be the same. Build
// first. usage:
//   node bench/bpe-training.mjs [--rounds 3] [--vocab 32000] [--pretokenizer llama3] [--python python3] FILE...
// FILE: .jsonl with {"text"} a line, or a text file whose lines are the texts. bench/bpe-corpora.mjs makes the corpora
// from python/peps ba4deeb, rust-lang/rfcs 354518a, cockroachdb/docs 79e9a5d, kubernetes/enhancements 64765b4,
// MicrosoftDocs/cpp-docs a2e592a, pingcap/docs-cn ae9ab0f, xitu/gold-miner db4f91a and LCTT/TranslateProject 4948360;
// sha256 of english.jsonl (104.8 MB of text) 22fbf52d401339cb1425080c3be17ce7d86e1ee7841611256632b1ed416bfac5,
// chinese.jsonl (113.5 MB) 4332b1d9cb9950500ddf4487411c92e815e01c06ec58b80927a30cac8aca179e,
// mixed.jsonl (106.6 MB) 8a3ca58399c807183fe4dc237134c062212012ca3d32116502f70f2ff3a293aa.
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { countWords, packWordCounts, saveTokenizer, trainFromCounts, WordCountsSum } from '../dist/tokenizer/index.js';

const THREADS = 2;
const self = fileURLToPath(import.meta.url);
if (!isMainThread) await count(workerData);
else if (process.argv[2] === '--child') await child(JSON.parse(process.argv[3]));
else await main();

/** A thread that counts: loads its share of the texts, waits for the start, sends the packed counts. */
async function count({ part, files, pretokenizer }) {
  const texts = [];
  let bytes = 0;
  let index = 0;
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
      if (line === '' || index++ % THREADS !== part) continue;
      const text = file.endsWith('.jsonl') ? JSON.parse(line).text : line;
      texts.push(text);
      bytes += Buffer.byteLength(text);
    }
  }
  parentPort.once('message', async () => {
    const packed = packWordCounts(await countWords(texts, { pretokenizer }));
    parentPort.postMessage({ packed }, [packed.buffer]);
  });
  parentPort.postMessage({ bytes });
}

/** One measured run of llmkit's, in a process of its own. */
async function child({ files, vocab, pretokenizer, out }) {
  const message = (worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  const workers = Array.from(
    { length: THREADS },
    (_, part) => new Worker(self, { workerData: { part, files, pretokenizer } }),
  );
  const loaded = await Promise.all(workers.map(message));
  const loadedBytes = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const sum = new WordCountsSum();
  await Promise.all(
    workers.map(async (worker) => {
      worker.postMessage('start');
      sum.add((await message(worker)).packed);
    }),
  );
  const counts = sum.result();
  const counted = performance.now();
  const json = trainFromCounts(counts, { vocabSize: vocab, specialTokens: ['<|endoftext|>'], pretokenizer });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  saveTokenizer(out, json);
  console.log(
    JSON.stringify({
      seconds,
      cpuSeconds: (user + system) / 1e6,
      countSeconds: (counted - start) / 1000,
      words: counts.size,
      textBytes: loaded.reduce((total, { bytes }) => total + bytes, 0),
      loadedBytes,
      peakBytes: process.resourceUsage().maxRSS * 1024,
    }),
  );
}

async function main() {
  const { values, positionals: files } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      vocab: { type: 'string', default: '32000' },
      pretokenizer: { type: 'string', default: 'llama3' },
      python: { type: 'string', default: process.env.LLMKIT_PYTHON ?? 'python3' },
    },
  });
  if (files.length === 0) throw new Error('name the files of text');
  const { pretokenizer, python } = values;
  const vocab = Number(values.vocab);
  const peer = fileURLToPath(new URL('peers/bpe_training_hf.py', import.meta.url));
  const out = mkdtempSync(join(tmpdir(), 'llmkit-bench-'));
  const [ours, theirs] = [[], []];
  try {
    console.log(
      `${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, ${pretokenizer}, vocabulary ${vocab}`,
    );
    for (let round = 0; round < Number(values.rounds); round++) {
      const a = run(process.execPath, [self, '--child', JSON.stringify({ files, vocab, pretokenizer, out })]);
      const b = run(python, [peer, pretokenizer, String(vocab), out, ...files]);
      const merges = requireSameMerges(join(out, 'tokenizer.json'), join(out, 'hf.json'));
      ours.push(a);
      theirs.push(b);
      const rate = ({ seconds, cpuSeconds }) =>
        `${seconds.toFixed(2)} s, ${(a.textBytes / 1e6 / seconds).toFixed(1)} MB/s, CPU ${cpuSeconds.toFixed(1)} s`;
      const peak = ({ peakBytes, loadedBytes }) => `peak ${gigabytes(peakBytes)} (${gigabytes(loadedBytes)} before)`;
      console.log(
        `llmkit ${rate(a)} (${a.countSeconds.toFixed(2)} s of it counting ${a.words} words), ${peak(a)} · ` +
          `HF tokenizers ${b.version} ${rate(b)}, ${peak(b)} · ${(b.seconds / a.seconds).toFixed(2)}x, ${merges} merges the same`,
      );
    }
  } finally {
    rmSync(out, { recursive: true });
  }
  const ratio = median(theirs) / median(ours);
  console.log(
    `${(ours[0].textBytes / 1e6).toFixed(1)} MB, medians: llmkit ${median(ours).toFixed(2)} s, ` +
      `HF tokenizers ${median(theirs).toFixed(2)} s, ${ratio.toFixed(2)}x`,
  );
}

function requireSameMerges(oursPath, theirsPath) {
  const [a, b] = [oursPath, theirsPath].map((path) => JSON.parse(readFileSync(path, 'utf8')).model);
  const at = b.merges.findIndex((merge, i) => String(a.merges[i]) !== String(merge));
  if (at >= 0 || a.merges.length !== b.merges.length) {
    throw new Error(`the merges differ at ${at}: llmkit ${a.merges[at]}, HF ${b.merges[at]}`);
  }
  if (Object.entries(b.vocab).some(([token, id]) => a.vocab[token] !== id)) throw new Error('the ids differ');
  return a.merges.length;
}

function run(command, args) {
  const environment = { ...process.env, CUDA_VISIBLE_DEVICES: '', TOKENIZERS_PARALLELISM: 'true' };
  return JSON.parse(execFileSync(command, args, { encoding: 'utf8', env: environment, maxBuffer: 2 ** 26 }));
}

function median(results) {
  const seconds = results.map((result) => result.seconds).toSorted((p, q) => p - q);
  const middle = seconds.length >> 1;
  return seconds.length % 2 === 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
}

function gigabytes(bytes) {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
