// A real job for bench/finetune.mjs: one epoch over rows of question and answer, llmkit against TRL's SFTTrainer.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openPrepared } from '../../dist/data/prepared.js';
import { median } from '../measure.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const [batch, maxLength, validationRows] = [8, 512, 64];

/** Both see the same tokens; llmkit packs against TRL's packing and pads against its default. */
export function realJob({ model, data, rows, python, out, rounds, run }) {
  if (model === undefined || data === undefined) {
    console.log('skipped: --model DIR and --data FILE.jsonl say what to train, and on what');
    return;
  }
  const folder = join(out, 'job');
  mkdirSync(folder, { recursive: true });
  const lines = readFileSync(data, 'utf8').split('\n').filter(Boolean);
  const examples = Number(rows);
  const source = join(folder, 'rows.jsonl');
  writeFileSync(source, lines.slice(0, examples + validationRows).join('\n'));
  const path = (split) => join(folder, `${split}.trl.jsonl`);

  const ours = (packing) => {
    const name = packing ? 'packed' : 'padded';
    const config = join(folder, `${name}.yaml`);
    writeFileSync(
      config,
      `version: 1
output_dir: ${name}
seed: 42
model: { name_or_path: ${JSON.stringify(model)} }
prepare:
  sources: [{ path: ${JSON.stringify(source)}, columns: { prompt: question, completion: answer } }]
  split: { validation: ${validationRows} }
  max_length: ${maxLength}
  overlength: truncate
  packing: ${packing ? 'best_fit' : 'none'}
finetune:
  lora: { r: 16, lora_alpha: 32, target_modules: all-linear }
  learning_rate: 2.0e-4
  warmup_ratio: 0.03
  per_device_train_batch_size: ${batch}
  group_by_length: ${!packing}
  precision: bf16
`,
    );
    const llmkit = (...args) =>
      run(process.execPath, [join(here, '..', '..', 'bin', 'llmkit.js'), ...args, '-c', config, '--output', 'jsonl']);
    rmSync(join(folder, name), { recursive: true, force: true });
    llmkit('prepare');
    if (!packing) exportRows(join(folder, name, 'prepared'), path);
    const { output } = llmkit('finetune', '--lora');
    const events = output
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    const { seconds, peakBytes } = events.at(-1).result.data;
    const validationLoss = events.findLast(
      (event) => event.type === 'metric' && event.name === 'validation_loss',
    ).value;
    const steps = events.findLast((event) => event.type === 'step' && event.stage === 'finetune').current;
    return tell(`llmkit, ${name}`, { examples, seconds, steps, peakBytes, validationLoss });
  };
  const theirs = (how) => {
    const script = join(here, '..', 'peers', 'sft_steps.py');
    const args = [model, path('train'), path('validation'), maxLength, batch, 'bf16', how, join(folder, 'trl')];
    const { output } = run(python, [script, ...args.map(String)]);
    return tell(`TRL, ${how}`, JSON.parse(output.trim().split('\n').at(-1)));
  };

  const ratios = { default: [], packing: [] };
  for (let round = 0; round < rounds; round++) {
    ratios.default.push(ours(false) / theirs('default'));
    ratios.packing.push(ours(true) / theirs('packing'));
  }
  for (const [how, values] of Object.entries(ratios)) {
    const all = values.map((value) => value.toFixed(2)).join(', ');
    console.log(`llmkit / TRL ${how}: examples/s ${median(values).toFixed(2)} (${all})`);
  }
}

/** The tokens that llmkit prepared, one document a line, so that both train on and are measured by the same. */
function exportRows(prepared, path) {
  const opened = openPrepared(prepared);
  for (const name of ['train', 'validation']) {
    const split = opened.split(name);
    const lines = Array.from({ length: split.numRows }, (_, index) => {
      const { inputIds, labels } = split.row(index);
      const mask = Array.from(labels, (label) => (label === -100 ? 0 : 1));
      return `${JSON.stringify({ input_ids: [...inputIds], completion_mask: mask })}\n`;
    });
    writeFileSync(path(name), lines.join(''));
  }
  opened.close();
}

/** Says what a run gave; returns its examples a second. */
function tell(name, { examples, seconds, steps, peakBytes, validationLoss, cpu }) {
  const rate = examples / seconds;
  const used = cpu === undefined ? '' : `, ${cpu.toFixed(0)} CPU-seconds`;
  console.log(
    `${name}: ${rate.toFixed(2)} examples/s (${steps} steps in ${seconds.toFixed(1)} s${used}), ` +
      `${(peakBytes / 1e9).toFixed(2)} GB, validation loss ${validationLoss.toFixed(4)}`,
  );
  return rate;
}
