// Near-duplicate detection (MinHash-LSH 14x8, 5-word shingles) from a jsonl file to kept rows, against numpy. Build first.
// usage: node bench/near-dup.mjs --text PATH... [--docs 200000] [--rounds 3] [--threads 2] [--python python3] [--datatrove PATHS]
//        node bench/near-dup.mjs --curve [--trials 2000]     how often bands match, against the formula and classic MinHash
// PATHs are files of text (.txt, .md, .rst, .jsonl) or folders of them. Documents are runs of their sentences, each sentence
// once; a third of the documents are copies of others with words changed, inserted or cut off. The same text, the same file.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeCorpus } from './near-dup/corpus.mjs';
import { printCurve } from './near-dup/curve.mjs';
import { score } from './near-dup/score.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    text: { type: 'string', multiple: true, default: [] },
    docs: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    python: { type: 'string', default: process.env.LLMKIT_PYTHON ?? 'python3' },
    datatrove: { type: 'string' },
    curve: { type: 'boolean', default: false },
    trials: { type: 'string', default: '2000' },
  },
});
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

if (values.curve) printCurve(Number(values.trials));
else await main();

async function main() {
  const dir = mkdtempSync(join(tmpdir(), 'llmkit-near-dup-'));
  try {
    const file = join(dir, 'documents.jsonl');
    const truth = writeCorpus([...values.text, ...positionals], Number(values.docs), file);
    const hash = await sha256(file);
    console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}`);
    console.log(
      `${truth.texts.length} documents, ${(truth.bytes / 1e6).toFixed(1)} MB, ${truth.planted.length} planted, ` +
        `from ${truth.sentences} different sentences in ${truth.files} files; sha256 ${hash.slice(0, 16)}`,
    );
    const runs = [
      ['llmkit', (out) => [process.execPath, [here('near-dup/ours.mjs'), file, out, values.threads]]],
      ['numpy', (out) => [values.python, [here('peers/near_dup_numpy.py'), file, out, values.threads]]],
    ];
    if (values.datatrove !== undefined) {
      runs.push([
        'datatrove',
        (out) => [values.python, [here('peers/near_dup_datatrove.py'), file, out, values.threads, values.datatrove]],
      ]);
    }
    const results = new Map(runs.map(([name]) => [name, []]));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [name, command] of runs) {
        const out = join(dir, `${name}-${round}`);
        results.get(name).push({ ...run(...command(out)), roots: u32(`${out}.roots`), edges: u32(`${out}.edges`) });
      }
    }
    report(results, truth);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function report(results, truth) {
  const [ours] = results.values();
  for (const [name, rounds] of results) {
    for (const { roots } of rounds) {
      if (!rounds[0].roots.every((root, row) => root === roots[row])) throw new Error(`${name}: rounds differ`);
    }
    const seconds = median(rounds.map((round) => round.seconds));
    const ratio = median(rounds.map((round, i) => round.seconds / ours[i].seconds));
    const { kept, recall, precision, edgesNear, edges } = score(rounds[0], truth);
    const cpu = median(rounds.map((round) => round.cpuSeconds));
    const percent = (x) => `${(100 * x).toFixed(2)}%`;
    console.log(
      `${name}${rounds[0].version === undefined ? '' : ` ${rounds[0].version}`}: ${seconds.toFixed(2)} s ` +
        `(${rounds.map((round) => round.seconds.toFixed(2)).join(', ')}), ${(truth.bytes / 1e6 / seconds).toFixed(1)} MB/s, ${cpu.toFixed(2)} CPU s, ` +
        `peak ${Math.round(rounds[0].peakMB)} MB; kept ${kept}; recall ${percent(recall)} of planted copies with Jaccard >= 0.8, ` +
        `precision ${percent(precision)}; of ${edges} matched pairs ${percent(edgesNear)} have Jaccard >= 0.8` +
        (name === 'llmkit'
          ? ''
          : `; ${ratio.toFixed(1)}x the time of llmkit, ${(cpu / median(ours.map((round) => round.cpuSeconds))).toFixed(1)}x the CPU time`),
    );
    if (rounds[0].parts !== undefined) console.log(`  ${rounds[0].parts}`);
  }
}

function run(command, args) {
  const environment = { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
  const output = execFileSync(command, args, {
    encoding: 'utf8',
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(output.trim().split('\n').at(-1));
}

function u32(path) {
  const bytes = readFileSync(path);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2).slice();
}

async function sha256(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
