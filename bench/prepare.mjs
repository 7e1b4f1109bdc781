// The whole of prepare, from jsonl to packed Arrow, against HF datasets + tokenizers + TRL's packing, in turns (A B A B).
// Build first. usage:
//   node bench/prepare.mjs --tokenizer DIR [--rounds 3] [--max-length 2048] [--python python3] FILE.jsonl...
// Rows are { "text": ... }. Both tokenize, append EOS, split what is too long, pack best-fit and write Arrow; then llmkit
// also cleans and dedups, as it does by default.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measure, median } from './measure.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokenizer: { type: 'string' },
    rounds: { type: 'string' },
    'max-length': { type: 'string' },
    python: { type: 'string' },
  },
});
const rounds = Number(values.rounds ?? 3);
const maxLength = Number(values['max-length'] ?? 2048);
const python = values.python ?? process.env.LLMKIT_PYTHON ?? 'python3';
const files = positionals.map((path) => resolve(path));
const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
const dir = mkdtempSync(join(tmpdir(), 'llmkit-bench-'));
const bin = fileURLToPath(new URL('../bin/llmkit.js', import.meta.url));
const peer = fileURLToPath(new URL('./peers/prepare_trl.py', import.meta.url));

const plain = {
  clean: { unicode: 'none', mojibake: false, control_chars: false, whitespace: false },
  dedup: { exact: false },
};

async function ours(name, section) {
  const config = join(dir, `${name}.yaml`);
  const prepare = {
    sources: files.map((path) => ({ path, type: 'text' })),
    tokenizer: { from: 'model' },
    max_length: maxLength,
    overlength: 'split',
    ...section,
  };
  const model = { name_or_path: resolve(values.tokenizer) };
  writeFileSync(config, JSON.stringify({ version: 1, output_dir: join(dir, name), model, prepare }));
  rmSync(join(dir, name), { recursive: true, force: true });
  const run = await measure(process.execPath, [bin, 'prepare', '-c', config, '--json']);
  const report = JSON.parse(readFileSync(join(dir, name, 'prepared', 'report.json'), 'utf8'));
  return { ...run, rows: report.splits.train.rows, tokens: report.splits.train.tokens };
}

async function theirs() {
  const out = join(dir, 'trl');
  rmSync(out, { recursive: true, force: true });
  const environment = { ...process.env, CUDA_VISIBLE_DEVICES: '', HF_HOME: join(dir, 'hf'), HF_HUB_OFFLINE: '1' };
  rmSync(join(dir, 'hf'), { recursive: true, force: true });
  const args = [peer, resolve(values.tokenizer), out, String(maxLength), ...files];
  const run = await measure(python, args, { env: environment });
  return { ...run, ...JSON.parse(run.output.trim().split('\n').at(-1)) };
}

try {
  console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}`);
  console.log(`${(bytes / 1e6).toFixed(1)} MB, rows of ${maxLength}, ${rounds} rounds`);
  const ratios = { same: [], whole: [] };
  for (let round = 0; round < rounds; round++) {
    const same = await ours('same', plain);
    const trl = await theirs();
    const whole = await ours('whole', {});
    for (const [name, run] of Object.entries({ 'llmkit, the same work': same, 'datasets + TRL': trl, llmkit: whole })) {
      const rate = (bytes / 1e6 / run.seconds).toFixed(1);
      const peak = (run.peakBytes / 1e9).toFixed(2);
      console.log(
        `${name}: ${run.seconds.toFixed(1)} s, ${rate} MB/s, ${peak} GB, ${run.rows} rows, ${run.tokens} tokens`,
      );
    }
    ratios.same.push(trl.seconds / same.seconds);
    ratios.whole.push(trl.seconds / whole.seconds);
  }
  console.log(
    `median of ratios: ${median(ratios.same).toFixed(1)}x for the same work, ${median(ratios.whole).toFixed(1)}x with cleaning and dedup`,
  );
} finally {
  rmSync(dir, { recursive: true });
}
