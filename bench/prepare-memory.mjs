// Peak memory of prepare for 1 GB and 4 GB of input: it should not grow with the data. Build first. usage:
//   node bench/prepare-memory.mjs --tokenizer DIR [--gigabytes 1,4] [--near] FILE.jsonl...
// The rows are made of the sentences of the files' { "text": ... }, drawn anew for every row by a seeded shuffle, so that
// no row repeats another however large the input gets.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Random } from '../dist/core/random.js';
import { measure } from './measure.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokenizer: { type: 'string' },
    gigabytes: { type: 'string' },
    near: { type: 'boolean' },
    threads: { type: 'string' },
  },
});
const sentences = positionals.flatMap((path) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => JSON.parse(line).text.split(/(?<=[.!?。！？]\s|\n)/)),
);
const bin = fileURLToPath(new URL('../bin/llmkit.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'llmkit-bench-'));

/** Writes rows of 10 to 60 sentences until the file has that many bytes. */
function write(path, bytes) {
  const random = new Random(1);
  const fd = openSync(path, 'w');
  for (let written = 0; written < bytes;) {
    let lines = '';
    while (lines.length < 2 ** 20) {
      const text = Array.from({ length: 10 + random.int(51) }, () => sentences[random.int(sentences.length)]).join('');
      lines += `${JSON.stringify({ text })}\n`;
    }
    written += writeSync(fd, lines);
  }
  closeSync(fd);
}

try {
  console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}; ${sentences.length} sentences`);
  const peaks = [];
  for (const gigabytes of (values.gigabytes ?? '1,4').split(',').map(Number)) {
    const path = join(dir, 'rows.jsonl');
    write(path, gigabytes * 1e9);
    const prepare = {
      sources: [{ path, type: 'text' }],
      dedup: { near: values.near === true },
      split: { validation: 0.001 },
      max_length: 2048,
      overlength: 'split',
      ...(values.threads === undefined ? {} : { threads: Number(values.threads) }),
    };
    const model = { name_or_path: resolve(values.tokenizer) };
    writeFileSync(
      join(dir, 'config.yaml'),
      JSON.stringify({ version: 1, output_dir: join(dir, 'out'), model, prepare }),
    );
    const run = await measure(process.execPath, [bin, 'prepare', '-c', join(dir, 'config.yaml'), '--json']);
    const { report } = JSON.parse(run.output).data;
    peaks.push(run.peakBytes);
    const rate = ((gigabytes * 1e3) / run.seconds).toFixed(1);
    const peak = (run.peakBytes / 1e9).toFixed(2);
    console.log(
      `${gigabytes} GB: ${run.seconds.toFixed(0)} s, ${rate} MB/s, peak ${peak} GB, ${report.splits.train.tokens} tokens`,
    );
    rmSync(join(dir, 'out'), { recursive: true });
  }
  console.log(`largest over smallest peak: ${(Math.max(...peaks) / Math.min(...peaks)).toFixed(2)}`);
} finally {
  rmSync(dir, { recursive: true });
}
