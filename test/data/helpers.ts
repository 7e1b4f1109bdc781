import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { type Preparation, prepare } from '../../src/data/prepare.ts';
import type { PrepareReport } from '../../src/data/report/report.ts';
import { openPrepared } from '../../src/data/prepared.ts';
import { loadTokenizer } from '../../src/tokenizer/index.ts';

const TOKENIZER = join(import.meta.dirname, '../golden/data/tokenizer');
export const CHATML =
  "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>{{ '\\n' }}{% endfor %}" +
  '{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';

/** A project in a temporary folder: a tiny tokenizer, data files, and configs as objects. */
export class Project {
  readonly dir = mkdtempSync(join(tmpdir(), 'llmkit-prepare-'));
  readonly events: LlmkitEvent[] = [];

  constructor(options: { template?: string } = {}) {
    cpSync(TOKENIZER, join(this.dir, 'model'), { recursive: true });
    if (options.template !== undefined) writeFileSync(join(this.dir, 'model/chat_template.jinja'), options.template);
    afterAll(() => rmSync(this.dir, { recursive: true }));
  }

  file(name: string, content: string | Uint8Array): string {
    mkdirSync(join(this.dir, 'data'), { recursive: true });
    writeFileSync(join(this.dir, 'data', name), content);
    return `data/${name}`;
  }

  jsonl(name: string, rows: object[]): string {
    return this.file(name, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }

  config(section: object, rest: object = {}) {
    const path = join(this.dir, 'config.yaml');
    const config = { version: 1, output_dir: 'out', model: { name_or_path: 'model' }, prepare: section, ...rest };
    // JSON is YAML.
    writeFileSync(path, JSON.stringify(config));
    return loadConfig(path);
  }

  get out(): string {
    return join(this.dir, 'out/prepared');
  }

  async prepare(section: object, rest: object = {}, signal = new AbortController().signal): Promise<Preparation> {
    const config = this.config(section, rest);
    return prepare(config, this.out, { emit: (event) => this.events.push(event), signal });
  }

  report(): PrepareReport {
    return JSON.parse(readFileSync(join(this.out, 'report.json'), 'utf8')) as PrepareReport;
  }

  /** Every document of a split: its text, and the text of its targets. */
  documents(split = 'train'): { text: string; targets: string }[] {
    const prepared = openPrepared(this.out);
    const tokenizer = loadTokenizer(prepared.tokenizerDir);
    const documents: { text: string; targets: string }[] = [];
    const data = prepared.split(split);
    for (let i = 0; i < data.numRows; i++) {
      const { inputIds, labels, seqLengths } = data.row(i);
      let at = 0;
      for (const length of seqLengths) {
        const targets = labels.slice(at, at + length).filter((label) => label !== -100);
        documents.push({ text: tokenizer.decode(inputIds.slice(at, at + length)), targets: tokenizer.decode(targets) });
        at += length;
      }
    }
    prepared.close();
    return documents;
  }
}
