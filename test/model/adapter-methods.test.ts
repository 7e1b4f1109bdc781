import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSafetensors, type TensorToWrite, writeSafetensors } from '../../src/io/safetensors.ts';
import { readAdapter, writeAdapter } from '../../src/model/adapter.ts';
import { ADAPTER_FIXTURES, ADAPTERS, openAdapterFixture } from '../support/adapter-fixture.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { failure } from '../support/failure.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-adapter-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const configOf = (folder: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;

/** What PEFT reads from a config and we write. */
const SAID = (
  'r lora_alpha lora_dropout target_modules exclude_modules layers_to_transform layers_pattern rank_pattern alpha_pattern ' +
  'use_rslora use_dora bias init_lora_weights peft_type task_type base_model_name_or_path'
).split(' ');

describe.each(ADAPTERS)('the adapter %s of PEFT', (name) => {
  it('is written back byte for byte, and its config says the same', () => {
    const { base, folder, adapter, expected } = openAdapterFixture(name);
    const { spec } = base.checkpoint;
    writeAdapter(dir, { spec, ...adapter, baseModel: expected.base });
    const [ours, theirs] = [dir, folder].map((at) => readFileSync(join(at, 'adapter_model.safetensors')));
    expect(ours!.equals(theirs!)).toBe(true);
    const [written, given] = [configOf(dir), configOf(folder)];
    for (const key of SAID) expect(written[key], key).toEqual(given[key]);
    expect(written['modules_to_save']).toEqual(given['modules_to_save']);
    expect(written['ensure_weight_tying'] ?? false).toBe(given['ensure_weight_tying']);
    expect(readAdapter(dir, spec)).toEqual(adapter);
  });
});

it("calls GPT-NeoX's head as transformers 5 does, by either of its names", () => {
  const { base, adapter } = openAdapterFixture('gpt-neox-dora');
  const { spec } = base.checkpoint;
  const lora = { ...adapter.lora, modulesToSave: ['embed_in', 'embed_out'] };
  writeAdapter(dir, { spec, ...adapter, lora, baseModel: 'gpt-neox' });
  expect(configOf(dir)['modules_to_save']).toEqual(['embed_in', 'lm_head']);
  expect(readAdapter(dir, spec).weights).toEqual(adapter.weights);
  // What transformers 4 wrote.
  altered('gpt-neox-dora', (tensors) =>
    tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace('.lm_head.', '.embed_out.') })),
  );
  expect(readAdapter(dir, spec).weights).toEqual(adapter.weights);
});

/** A fixture with its tensors changed. */
function altered(name: string, change: (tensors: TensorToWrite[]) => TensorToWrite[], config: object = {}): string {
  cpSync(ADAPTER_FIXTURES + name, dir, { recursive: true });
  const path = join(dir, 'adapter_model.safetensors');
  const file = openSafetensors(path);
  const tensors = [...file.tensors].map(([key, { dtype, shape }]) => ({
    name: key,
    dtype,
    shape,
    data: file.read(key),
  }));
  file.close();
  writeSafetensors(path, change(tensors));
  writeFileSync(join(dir, 'adapter_config.json'), JSON.stringify({ ...configOf(dir), ...config }));
  return dir;
}

const PREFIX = 'base_model.model.';
const biased = openFixture('llama-bias').checkpoint.spec;

describe('an adapter that is not whole', () => {
  it.each([
    ['dora', `${PREFIX}model.layers.0.mlp.up_proj.lora_magnitude_vector`],
    ['bias-all', `${PREFIX}model.layers.1.mlp.up_proj.bias`],
    ['bias-lora-only', `${PREFIX}model.layers.0.self_attn.q_proj.base_layer.bias`],
    ['modules-to-save', `${PREFIX}lm_head.weight`],
  ])('%s: names what is missing', (name, key) => {
    const { base } = openAdapterFixture(name);
    const folder = altered(name, (tensors) => tensors.filter((tensor) => tensor.name !== key));
    expect(failure(() => readAdapter(folder, base.checkpoint.spec))).toMatchObject({ message: `${key} is missing` });
  });

  it('says so where magnitudes are there and the config does not speak of DoRA', () => {
    const folder = altered('dora', (tensors) => tensors, { use_dora: false });
    expect(failure(() => readAdapter(folder, biased)).hint).toContain('use_dora');
  });

  it('reads the magnitudes of older and newer spellings, and biases beside adapted layers', () => {
    const longer = altered('dora', (tensors) =>
      tensors.map((tensor) => ({
        ...tensor,
        name: tensor.name.replace(/magnitude_vector$/, 'magnitude_vector.weight'),
      })),
    );
    expect(readAdapter(longer, biased).factors).toEqual(openAdapterFixture('dora').adapter.factors);
    const flat = altered('bias-lora-only', (tensors) =>
      tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace('.base_layer.bias', '.bias') })),
    );
    expect(readAdapter(flat, biased).weights).toEqual(openAdapterFixture('bias-lora-only').adapter.weights);
  });

  it('refuses an embedding and a head that are one in the model and two in the adapter', () => {
    const { spec } = openFixture('llama-gqa-tied').checkpoint;
    const [embedding, head] = [`${PREFIX}model.embed_tokens.weight`, `${PREFIX}lm_head.weight`];
    const different = altered('tied', (tensors) =>
      tensors.flatMap((tensor) => {
        if (tensor.name === head) return [];
        const other = { ...tensor, name: head, data: new Uint8Array((tensor.data as Uint8Array).length) };
        return tensor.name === embedding ? [tensor, other] : [tensor];
      }),
    );
    expect(failure(() => readAdapter(different, spec)).where).toContain(head);
    const untied = altered('tied', (tensors) => tensors, { ensure_weight_tying: false });
    expect(failure(() => readAdapter(untied, spec))).toMatchObject({
      kind: 'data',
      expected: expect.stringContaining('ensure_weight_tying'),
    });
  });
});
