import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNode } from '../cli/spawn.ts';
import type { Ran } from '../cli/spawn.ts';
import { sha256File } from '../../src/io/manifest.ts';

/** For tests that start many processes, on a machine that is busy with something else. */
export const TIMEOUT_MS = 300_000;

const BANK = fileURLToPath(new URL('../../datasets/bank-support/', import.meta.url));

const TEMPLATE = `{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
`;

/** The whole life of a model too small to be good at anything, on a few rows. */
const CONFIG = `version: 1
output_dir: out
seed: 7
model: { name_or_path: out/pretrained }
prepare:
  sources:
    - { path: train.jsonl, type: messages }
  tokenizer: { type: bpe, vocab_size: 400 }
  chat_template: chat.jinja
  split: { validation: 4 }
  max_length: 192
pretrain:
  hidden_size: 32
  intermediate_size: 64
  num_hidden_layers: 2
  num_attention_heads: 4
  num_key_value_heads: 2
  max_position_embeddings: 256
  max_steps: 4
  logging_steps: 1
  per_device_train_batch_size: 2
finetune:
  lora: { r: 4, lora_alpha: 8 }
  learning_rate: 1.0e-2
  max_steps: 12
  logging_steps: 4
  per_device_train_batch_size: 2
quantize:
  calibration: { samples: 4, max_length: 192 }
eval:
  tasks:
    - perplexity
    - { type: intents, path: test.jsonl }
generate: { prompt: I lost my card, max_new_tokens: 8, temperature: 0 }
`;

/** A folder with a config and its data, where commands run as a user would run them. */
export class Workspace {
  readonly dir = mkdtempSync(join(tmpdir(), 'llmkit-e2e-'));

  constructor() {
    this.write('config.yaml', CONFIG);
    this.write('chat.jinja', TEMPLATE);
    this.write('train.jsonl', lines('train.jsonl', 28));
    this.write('test.jsonl', lines('test.jsonl', 4));
  }

  path(...names: string[]): string {
    return join(this.dir, ...names);
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  /** Runs the built command line in the folder. */
  run(command: string, ...args: string[]): Promise<Ran> {
    return this.spawn([command, ...args]);
  }

  /** The same for a command that must succeed: its `--json` result. */
  async result(command: string, ...args: string[]): Promise<{ [key: string]: unknown }> {
    const ran = await this.run(command, ...args, '--json');
    if (ran.code !== 0) throw new Error(`llmkit ${command} ended with ${ran.code}: ${ran.stdout}${ran.stderr}`);
    return (JSON.parse(ran.stdout) as { data: { [key: string]: unknown } }).data;
  }

  /** Runs it too; `during` may act on the process. */
  spawn([command, ...args]: [string, ...string[]], during?: (child: ChildProcess) => void): Promise<Ran> {
    return runNode('bin/llmkit.js', [command, '-c', this.path('config.yaml'), ...args], during);
  }

  sha256(...names: string[]): string {
    return sha256File(this.path(...names));
  }

  remove(): void {
    rmSync(this.dir, { recursive: true });
  }
}

function lines(file: string, count: number): string {
  return `${readFileSync(join(BANK, file), 'utf8').split('\n').slice(0, count).join('\n')}\n`;
}
