import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadModelConfig, loadSpec, parseModelConfig, specToConfig } from '../../src/model/config.ts';
import type { JsonObject } from '../../src/io/json-file.ts';
import { inverseFrequencies, rotaryTables } from '../../src/model/rope.ts';
import { failure } from '../support/failure.ts';

const GOLDEN = join(import.meta.dirname, '../golden/decoder');

interface Parsed {
  [key: string]: unknown;
  inverse_frequencies: number[];
  rope_parameters: { [key: string]: unknown };
}
const spellings = JSON.parse(readFileSync(join(GOLDEN, 'spellings.json'), 'utf8')) as {
  cases: { name: string; config: JsonObject; parsed: Parsed }[];
};

function config(changes: JsonObject = {}): JsonObject {
  const base = JSON.parse(readFileSync(join(GOLDEN, 'llama-gqa/config.json'), 'utf8')) as JsonObject;
  return { ...base, ...changes };
}

function without(name: string): JsonObject {
  const fields = config();
  delete fields[name];
  return fields;
}

describe('config.json in every spelling', () => {
  it.each(spellings.cases)('is read as transformers reads it: $name', ({ config, parsed }) => {
    const { spec } = parseModelConfig(config, 'config.json');
    expect(spec).toMatchObject({
      vocabSize: parsed['vocab_size'],
      hiddenSize: parsed['hidden_size'],
      numLayers: parsed['num_hidden_layers'],
      maxPositions: parsed['max_position_embeddings'],
      norm: { kind: 'rms', eps: parsed['rms_norm_eps'] },
      attention: {
        heads: parsed['num_attention_heads'],
        kvHeads: parsed['num_key_value_heads'],
        headDim: parsed['head_dim'],
        qkvBias: parsed['attention_bias'],
        outBias: parsed['attention_bias'],
      },
      mlp: {
        activation: parsed['hidden_act'],
        intermediateSize: parsed['intermediate_size'],
        bias: parsed['mlp_bias'],
      },
      tiedHead: parsed['tie_word_embeddings'],
      bosTokenId: parsed['bos_token_id'],
      eosTokenIds: [parsed['eos_token_id']].flat(),
      padTokenId: parsed['pad_token_id'] ?? undefined,
      position: { kind: 'rotary', theta: parsed['rope_parameters']['rope_theta'], dim: parsed['head_dim'] },
    });
    if (spec.position.kind !== 'rotary') throw new Error('not rotary');
    const frequencies = inverseFrequencies(spec.position);
    for (const [i, expected] of parsed.inverse_frequencies.entries()) {
      // One rounding to f32 is 6e-8; torch's power is a step or two away.
      expect(Math.abs(frequencies[i]! / expected - 1)).toBeLessThan(2e-7);
    }
  });

  it('notes every default it took, and none when all is given', () => {
    const bare = spellings.cases.find(({ name }) => name === 'bare')!;
    const { notes } = parseModelConfig(bare.config, 'config.json');
    for (const field of [
      'num_key_value_heads',
      'head_dim',
      'rope_theta',
      'rms_norm_eps',
      'hidden_act',
      'attention_bias',
    ]) {
      expect(notes.some((note) => note.startsWith(`${field} is not given`))).toBe(true);
    }
    expect(parseModelConfig(config(), 'config.json').notes).toEqual([]);
  });

  it('notes an unknown field and ignores those of generation', () => {
    const { notes } = parseModelConfig(config({ is_llama_config: true, temperature: 0.7 }), 'config.json');
    expect(notes).toEqual(['is_llama_config is not read: it is no field of llama in transformers']);
  });

  it('reads dtype in both spellings', () => {
    expect(loadModelConfig(join(GOLDEN, 'variants/bf16')).dtype).toBe('bfloat16');
    expect(loadModelConfig(join(GOLDEN, 'variants/f16')).dtype).toBe('float16');
  });

  it('comes back unchanged through specToConfig', () => {
    for (const name of ['llama-gqa', 'llama-gqa-tied', 'llama-rope-llama3', 'llama-bias', 'llama-head-dim']) {
      const spec = loadSpec(join(GOLDEN, name));
      const again = parseModelConfig(specToConfig(spec, { dtype: 'float32' }) as JsonObject, 'config.json');
      expect(JSON.stringify(again.spec)).toBe(JSON.stringify(spec));
      expect(again.notes).toEqual([]);
    }
    const mistral = parseModelConfig(
      spellings.cases.find(({ name }) => name === 'mistral')!.config,
      'config.json',
    ).spec;
    const again = parseModelConfig(specToConfig(mistral, { dtype: 'bfloat16' }) as JsonObject, 'config.json');
    expect(JSON.stringify(again.spec)).toBe(JSON.stringify(mistral));
  });

  it('names the weights as transformers does', () => {
    const { names } = loadSpec(join(GOLDEN, 'llama-gqa'));
    expect(names.head).toBe('lm_head');
    expect(names.layer(1).linear.q_proj?.module).toBe('model.layers.1.self_attn.q_proj');
    expect(loadSpec(join(GOLDEN, 'llama-gqa-tied')).names.head).toBeUndefined();
  });
});

describe('a config that cannot be used', () => {
  const llama3 = { rope_type: 'llama3', rope_theta: 1e4, factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  it.each<[string, JsonObject, string, RegExp]>([
    ['an unknown model_type', config({ model_type: 'lama' }), 'model_type', /"lama" is not supported/],
    ['a missing model_type', without('model_type'), 'model_type', /missing/],
    ['a missing size', without('hidden_size'), 'hidden_size', /missing/],
    ['a size that is a string', config({ hidden_size: '32' }), 'hidden_size', /cannot be used/],
    ['a size that is not whole', config({ num_hidden_layers: 1.5 }), 'num_hidden_layers', /cannot be used/],
    ['an infinite number', config({ rms_norm_eps: Infinity }), 'rms_norm_eps', /cannot be used/],
    ['a NaN', config({ rms_norm_eps: Number.NaN }), 'rms_norm_eps', /cannot be used/],
    ['heads that do not divide', config({ num_key_value_heads: 3 }), 'num_key_value_heads', /cannot be used/],
    ['an odd head', config({ head_dim: 7 }), 'head_dim', /cannot be used/],
    ['an unknown activation', config({ hidden_act: 'relu2' }), 'hidden_act', /cannot be used/],
    ['a token outside the vocabulary', config({ eos_token_id: [2, 96] }), 'eos_token_id', /cannot be used/],
    [
      'quantized weights',
      config({ quantization_config: { bits: 4 } }),
      'quantization_config',
      /changes what the model/,
    ],
    ['a sliding window', config({ sliding_window: 16 }), 'sliding_window', /changes what the model/],
    ['code of its own', config({ auto_map: { AutoModel: 'x.Y' } }), 'auto_map', /changes what the model/],
    ['part-wise rotary', config({ partial_rotary_factor: 0.5 }), 'partial_rotary_factor', /changes what the model/],
    [
      'an unknown rope_type',
      config({ rope_parameters: { rope_type: 'yarn' } }),
      'rope_parameters.rope_type',
      /cannot be/,
    ],
    [
      'llama3 without a factor',
      config({ rope_parameters: { ...llama3, factor: null } }),
      'rope_parameters.factor',
      /missing/,
    ],
    [
      'a field no rope knows',
      config({ rope_parameters: { rope_type: 'default', beta: 1 } }),
      'rope_parameters.beta',
      /not a field/,
    ],
    [
      'rope by layer type',
      config({ rope_parameters: { full_attention: {} } }),
      'rope_parameters.full_attention',
      /not a/,
    ],
    [
      'two spellings at once',
      config({ rope_scaling: { type: 'linear', factor: 2 } }),
      'rope_scaling',
      /cannot be used/,
    ],
    ['two thetas', config({ rope_theta: 5e5 }), 'rope_theta', /cannot be used/],
    ['a window in mistral', config({ model_type: 'mistral', sliding_window: 32 }), 'sliding_window', /cannot be used/],
    [
      'a window mistral takes by default',
      config({ model_type: 'mistral', max_position_embeddings: 8192 }),
      'sliding_window',
      /cannot be used/,
    ],
  ])('is refused by the name of the field: %s', (_, fields, where, message) => {
    const error = failure(() => parseModelConfig(fields, 'config.json'));
    expect(error.kind).toBe('data');
    expect(error.where).toBe(`config.json: ${where}`);
    expect(error.message).toMatch(message);
  });

  it('suggests the model_type that was meant, and lists those there are', () => {
    const error = failure(() => parseModelConfig(config({ model_type: 'lama' }), 'config.json'));
    expect(error.hint).toContain('llama');
    expect(error.expected).toBe('llama, mistral, qwen2, qwen3, gpt_neox, gpt2');
  });

  it('accepts a window no sequence can outgrow, and says so', () => {
    const { notes } = parseModelConfig(config({ model_type: 'mistral', sliding_window: 64 }), 'config.json');
    expect(notes).toEqual(['sliding_window 64 has no effect: no sequence is longer than 64 tokens']);
  });
});

describe('a broken config file', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'llmkit-config-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it.each<[string, string | Uint8Array, string]>([
    ['NaN as Python writes it', '{\n  "vocab_size": 96,\n  "rms_norm_eps": NaN\n}', ':3:19'],
    ['a truncated file', '{\n  "vocab_size": 96,\n  "hidd', ':3:8'],
    ['a file that ends', '{\n  "vocab_size": 96', ':2:19'],
    ['a missing comma', '{\n  "a": 1\n  "b": 2\n}', ':3:3'],
    ['an empty file', '', ':1:1'],
    ['an array', '[1]', ''],
    ['invalid UTF-8', new Uint8Array([0x7b, 0xff, 0x7d]), ''],
  ])('is located: %s', (_, text, position) => {
    writeFileSync(join(dir, 'config.json'), text);
    const error = failure(() => loadSpec(dir));
    expect(error.kind).toBe('data');
    expect(error.where).toBe(`${join(dir, 'config.json')}${position}`);
  });

  it('a folder without one is said to be no checkpoint', () => {
    expect(failure(() => loadSpec(dir))).toMatchObject({ kind: 'io', where: join(dir, 'config.json') });
  });

  it('takes the end tokens of generation_config.json', () => {
    cpSync(join(GOLDEN, 'llama-gqa/config.json'), join(dir, 'config.json'));
    writeFileSync(join(dir, 'generation_config.json'), '{"eos_token_id": [2, 7]}');
    expect(loadSpec(dir).eosTokenIds).toEqual([2, 7]);
  });
});

describe('rotary tables', () => {
  it('hold cosine and sine of position times frequency', () => {
    const position = { kind: 'rotary' as const, theta: 10000, dim: 4, scaling: undefined };
    const { cos, sin } = rotaryTables(position, 3);
    expect([...cos]).toEqual(
      [1, 1, Math.cos(1), Math.cos(0.01), Math.cos(2), Math.cos(0.02)].map((x) => expect.closeTo(x, 6)),
    );
    expect(sin[4]).toBeCloseTo(Math.sin(2), 6);
  });
});
