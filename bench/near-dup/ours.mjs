/** llmkit's side of near-dup.mjs, started by it. usage: node ours.mjs DOCUMENTS.jsonl OUT THREADS */
import { closeSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { GroupTable } from '../../dist/data/dedup/group-table.js';
import { MinHasher } from '../../dist/data/dedup/minhash.js';
import { UnionFind } from '../../dist/data/dedup/union-find.js';

const BANDS = 14;
const STRIDE = 2 * BANDS;
const PART_ROWS = 1 << 14;
const READ = 4 << 20;

if (isMainThread) await main(process.argv[2], process.argv[3], Number(process.argv[4]));
else serve();

async function main(file, out, threads) {
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  const size = statSync(file).size;
  const workers = Array.from({ length: threads }, (_, i) => {
    const range = { from: Math.floor((size * i) / threads), to: Math.floor((size * (i + 1)) / threads) };
    return new Worker(new URL(import.meta.url), { workerData: { file, ...range } });
  });
  const answers = () =>
    Promise.all(workers.map((worker) => new Promise((done, fail) => worker.once('message', done).once('error', fail))));
  const signed = await answers();
  const signedMs = performance.now();
  const edges = answers();
  for (const [i, worker] of workers.entries()) worker.postMessage({ signed, first: i, step: threads });
  const found = await edges;
  const rows = signed.reduce((sum, part) => sum + part.rows, 0);
  const clusters = new UnionFind(rows);
  for (const pairs of found) for (let i = 0; i < pairs.length; i += 2) clusters.union(pairs[i], pairs[i + 1]);
  const roots = Uint32Array.from({ length: rows }, (_, row) => clusters.find(row));
  const end = performance.now();
  const cpu = process.cpuUsage(cpuStart);
  for (const worker of workers) worker.postMessage(null);
  writeFileSync(`${out}.roots`, roots);
  writeFileSync(`${out}.edges`, unique(found));
  const second = (ms) => Number((ms / 1000).toFixed(3));
  console.log(
    JSON.stringify({
      seconds: second(end - start),
      cpuSeconds: second(cpu.user / 1000 + cpu.system / 1000),
      peakMB: process.resourceUsage().maxRSS / 1000,
      parts: `read and sign ${second(signedMs - start)} s, bands and clusters ${second(end - signedMs)} s`,
    }),
  );
}

function serve() {
  parentPort.postMessage(sign(workerData));
  parentPort.on('message', (task) => {
    if (task === null) parentPort.close();
    else parentPort.postMessage(findEdges(task));
  });
}

/** Band hashes of the lines that begin in [from, to), in shared parts of PART_ROWS rows. */
function sign({ file, from, to }) {
  const hasher = new MinHasher({ bands: BANDS, rows: 8, ngram: 5 });
  const parts = [];
  const absent = [];
  let rows = 0;
  let part;
  for (const line of lines(file, from, to)) {
    const at = rows % PART_ROWS;
    if (at === 0) parts.push((part = new Uint32Array(new SharedArrayBuffer(PART_ROWS * STRIDE * 4))));
    if (!hasher.bandHashes(JSON.parse(line).text, part, at * STRIDE)) absent.push(rows);
    rows++;
  }
  return { rows, parts, absent };
}

function* lines(file, from, to) {
  const fd = openSync(file, 'r');
  let buffer = Buffer.allocUnsafe(READ);
  // A line belongs to the range where it begins: the one that holds the byte before `from` ends in this range.
  let skipping = from > 0;
  let position = skipping ? from - 1 : 0;
  let kept = 0;
  for (;;) {
    if (kept === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(buffer.length)]);
    const read = readSync(fd, buffer, kept, buffer.length - kept, position + kept);
    const end = kept + read;
    let start = 0;
    for (;;) {
      const newline = buffer.subarray(0, end).indexOf(10, start);
      if (newline < 0) break;
      if (!skipping) {
        if (position + start >= to) {
          closeSync(fd);
          return;
        }
        yield buffer.utf8Slice(start, newline);
      }
      skipping = false;
      start = newline + 1;
    }
    if (read === 0) {
      closeSync(fd);
      return;
    }
    buffer.copyWithin(0, start, end);
    position += start;
    kept = end - start;
  }
}

/** Pairs of rows that agree in one of every `step`-th band from `first` on. */
function findEdges({ signed, first, step }) {
  const total = signed.reduce((sum, { rows }) => sum + rows, 0);
  const edges = [];
  for (let band = first; band < BANDS; band += step) {
    const table = new GroupTable(total);
    let offset = 0;
    for (const { rows, parts, absent } of signed) {
      const none = new Set(absent);
      for (let row = 0; row < rows; row++) {
        if (none.size > 0 && none.has(row)) continue;
        const part = parts[Math.floor(row / PART_ROWS)];
        const at = (row % PART_ROWS) * STRIDE + 2 * band;
        const earlier = table.add(part[at], part[at + 1], offset + row);
        if (earlier >= 0) edges.push(earlier, offset + row);
      }
      offset += rows;
    }
  }
  return Uint32Array.from(edges);
}

/** Each pair once. */
function unique(found) {
  const keys = found.flatMap((pairs) =>
    Array.from({ length: pairs.length / 2 }, (_, i) => pairs[2 * i] * 2 ** 26 + pairs[2 * i + 1]),
  );
  const sorted = Float64Array.from(new Set(keys)).sort();
  return Uint32Array.from([...sorted].flatMap((key) => [Math.floor(key / 2 ** 26), key % 2 ** 26]));
}
