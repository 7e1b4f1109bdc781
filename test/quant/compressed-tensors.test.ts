import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LlmkitError } from '../../src/core/errors.ts';
import { openSafetensors, writeSafetensors } from '../../src/io/safetensors.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { readJsonObject } from '../../src/io/json-file.ts';
import { LINEAR_ROLES } from '../../src/model/tensors.ts';
import { compressedTensorsConfig } from '../../src/quant/checkpoint-config.ts';
import type { QuantizationScheme } from '../../src/quant/checkpoint-config.ts';
import { isQuantized, openQuantized, packCodes } from '../../src/quant/compressed-tensors.ts';
import { dequantize, roundToNearest } from '../../src/quant/grid.ts';
import { QuantizedWriter } from '../../src/quant/write.ts';
import { failure } from '../support/failure.ts';

const GOLDEN = join(import.meta.dirname, '../golden');
const SOURCE = join(GOLDEN, 'decoder/llama-gqa');
const TIED = join(GOLDEN, 'decoder/llama-gqa-tied');

/** The two folders were written by the compressed-tensors library: test/golden/quant/compressed_tensors_checkpoints.py. */
const KINDS: [string, QuantizationScheme][] = [
  ['int-quantized', { scheme: 'w8a8', groupSize: undefined, actorder: 'none' }],
  ['pack-quantized', { scheme: 'w8a16', groupSize: 16, actorder: 'none' }],
];

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-quant-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Rounds every linear layer to nearest and writes the quantized checkpoint. */
function quantizeAll(source: string, out: string, scheme: QuantizationScheme, head: 'int8' | 'keep' = 'int8'): void {
  const checkpoint = openCheckpoint(source);
  const writer = new QuantizedWriter(out, { dir: source, weights: checkpoint.weights, spec: checkpoint.spec }, scheme);
  for (let layer = 0; layer < checkpoint.spec.numLayers; layer++) {
    for (const role of LINEAR_ROLES) {
      const { weight } = checkpoint.linear(layer, role);
      const columns = role === 'down_proj' ? checkpoint.spec.mlp.intermediateSize : checkpoint.spec.hiddenSize;
      const options = { groupSize: scheme.groupSize, scaleFormat: 'half', mse: false } as const;
      writer.put(layer, role, roundToNearest(weight, weight.length / columns, columns, options));
    }
  }
  writer.finish(readJsonObject(join(source, 'config.json')), head);
  checkpoint.close();
}

describe('a quantized checkpoint', () => {
  it.each(KINDS)('has the tensors that the compressed-tensors library writes, byte for byte (%s)', (name, scheme) => {
    quantizeAll(SOURCE, dir, scheme);
    const ours = openSafetensors(join(dir, 'model.safetensors'));
    const theirs = openSafetensors(join(GOLDEN, 'quant', name, 'model.safetensors'));
    expect([...ours.tensors.keys()].sort()).toEqual([...theirs.tensors.keys()].sort());
    for (const [tensor, { dtype, shape }] of theirs.tensors) {
      expect([tensor, ours.tensors.get(tensor)!.dtype, ours.tensors.get(tensor)!.shape]).toEqual([
        tensor,
        dtype,
        shape,
      ]);
      expect(Buffer.compare(ours.read(tensor), theirs.read(tensor)), tensor).toBe(0);
    }
    ours.close();
    theirs.close();
  });

  it.each(KINDS)(
    'has the quantization_config that the library writes, but for fields without effect and the format said twice (%s)',
    (name, scheme) => {
      const theirs = readJsonObject(join(GOLDEN, 'quant', name, 'config.json'))['quantization_config'];
      const withoutEffect = new Set([
        'observer',
        'observer_kwargs',
        'scale_dtype',
        'zp_dtype',
        'version',
        'sparsity_config',
        'transform_config',
      ]);
      const strip = (value: unknown): unknown => {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
        const kept = Object.entries(value).filter(
          ([key]) => !withoutEffect.has(key) && !(key === 'format' && 'targets' in value),
        );
        return Object.fromEntries(kept.map(([key, item]) => [key, strip(item)]));
      };
      expect(strip(compressedTensorsConfig(scheme, 'lm_head'))).toEqual(strip(theirs));
    },
  );

  it.each(KINDS)('is read back as it was written, and as the library wrote it (%s)', (name, scheme) => {
    quantizeAll(SOURCE, dir, scheme);
    const ours = openQuantized(dir);
    const theirs = openQuantized(join(GOLDEN, 'quant', name));
    expect(ours.scheme).toEqual(scheme);
    expect(theirs.scheme).toEqual(scheme);
    expect([ours.headPrecision, theirs.headPrecision]).toEqual(['int8', 'keep']);
    const original = openCheckpoint(SOURCE);
    for (const role of LINEAR_ROLES) {
      const matrix = ours.linear(1, role);
      expect(matrix).toEqual(theirs.linear(1, role));
      const back = dequantize(matrix);
      const { weight } = original.linear(1, role);
      for (let i = 0; i < weight.length; i++) {
        const scale = matrix.scales[Math.floor(i / matrix.groupSize)]!;
        expect(Math.abs(back[i]! - weight[i]!)).toBeLessThanOrEqual(0.5001 * scale);
      }
    }
    for (const opened of [ours, theirs, original]) opened.close();
  });

  it('keeps everything that is not a linear layer as it was, and leaves no scratch files', () => {
    quantizeAll(TIED, dir, KINDS[0]![1]);
    const before = openSafetensors(join(TIED, 'model.safetensors'));
    const after = openQuantized(dir);
    for (const name of ['model.embed_tokens.weight', 'model.norm.weight', 'model.layers.1.input_layernorm.weight']) {
      expect(Buffer.compare(after.weights.read(name), before.read(name))).toBe(0);
    }
    expect(readdirSync(dir).sort()).toEqual(['config.json', 'model.safetensors']);
    before.close();
    after.close();
  });

  it('rounds the head per channel at every load alike, the embedding where it is tied', () => {
    for (const [source, name] of [
      [SOURCE, 'lm_head.weight'],
      [TIED, 'model.embed_tokens.weight'],
    ] as const) {
      quantizeAll(source, dir, KINDS[0]![1]);
      const opened = openQuantized(dir);
      const head = opened.head()!;
      expect([head.rows, head.columns, head.groupSize]).toEqual([96, 32, 32]);
      expect(opened.head()).toEqual(head);
      const rows = opened.weights.readF32(name);
      expect(Math.max(...dequantize(head).map((value, i) => Math.abs(value - rows[i]!)))).toBeLessThan(
        0.51 * Math.max(...head.scales),
      );
      opened.close();
    }
    quantizeAll(SOURCE, dir, KINDS[0]![1], 'keep');
    const kept = openQuantized(dir);
    expect(kept.head()).toBeUndefined();
    kept.close();
  });

  it('stores scales in the dtype of the weights without changing them', () => {
    for (const variant of ['bf16', 'f16']) {
      const source = join(GOLDEN, 'decoder/variants', variant);
      quantizeAll(source, dir, KINDS[1]![1]);
      const opened = openQuantized(dir);
      const original = openCheckpoint(source);
      expect(opened.weights.tensors.get('model.layers.0.mlp.up_proj.weight_scale')!.dtype).toBe(variant.toUpperCase());
      const { weight } = original.linear(0, 'up_proj');
      const expected = roundToNearest(weight, 48, 32, { groupSize: 16, scaleFormat: 'half', mse: false });
      expect(opened.linear(0, 'up_proj')).toEqual(expected);
      original.close();
      opened.close();
    }
  });
});

describe('packing', () => {
  it('puts code + 128 of column j into byte j of its row, rows filled up to whole int32', () => {
    const codes = Int8Array.of(-128, -1, 0, 127, 5, -5, 1, 2, 3, 4);
    const packed = packCodes({ rows: 2, columns: 5, codes, scales: Float32Array.of(1, 1), groupSize: 5 });
    expect([...packed]).toEqual([0, 127, 128, 255, 133, 0, 0, 0, 123, 129, 130, 131, 132, 0, 0, 0]);
  });
});

describe('opening what is not a quantized checkpoint', () => {
  function withConfig(change: (config: Record<string, unknown>) => void, name = 'int-quantized'): LlmkitError {
    cpSync(join(GOLDEN, 'quant', name), dir, { recursive: true });
    const path = join(dir, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as { quantization_config: Record<string, unknown> };
    change(config.quantization_config);
    writeFileSync(path, JSON.stringify(config));
    return failure(() => openQuantized(dir));
  }
  type Group = { group_0: { weights: Record<string, unknown>; targets: string[] } };

  it('says whether a folder is one', () => {
    expect(isQuantized(join(GOLDEN, 'quant/int-quantized'))).toBe(true);
    expect(isQuantized(SOURCE)).toBe(false);
    expect(isQuantized(join(dir, 'nowhere'))).toBe(false);
    expect(failure(() => openQuantized(SOURCE))).toMatchObject({
      kind: 'data',
      where: expect.stringMatching(/config.json: quantization_config$/),
    });
  });

  it.each<[string, RegExp, (config: Record<string, unknown>) => void]>([
    ['another method', /quant_method$/, (config) => (config['quant_method'] = 'gptq')],
    ['another format', /format$/, (config) => (config['format'] = 'float-quantized')],
    ['a transform', /transform_config$/, (config) => (config['transform_config'] = { rotation: 1 })],
    [
      'four bits',
      /weights\.num_bits$/,
      (config) => ((config['config_groups'] as Group).group_0.weights['num_bits'] = 4),
    ],
    [
      'zero points',
      /weights\.symmetric$/,
      (config) => ((config['config_groups'] as Group).group_0.weights['symmetric'] = false),
    ],
    ['chosen layers', /targets$/, (config) => ((config['config_groups'] as Group).group_0.targets = ['re:.*q_proj'])],
    [
      'two groups',
      /config_groups$/,
      (config) => ((config['config_groups'] as Record<string, unknown>)['group_1'] = {}),
    ],
  ])('names the field that it does not compute: %s', (_name, where, change) => {
    expect(withConfig(change)).toMatchObject({ kind: 'data', where: expect.stringMatching(where) });
  });

  it('names the layer whose tensors are missing or do not fit, and a file that was cut', () => {
    const golden = openSafetensors(join(GOLDEN, 'quant/pack-quantized/model.safetensors'));
    const write = (change: (name: string) => { shape?: number[]; drop?: boolean; data?: Uint8Array }): void => {
      cpSync(join(GOLDEN, 'quant/pack-quantized/config.json'), join(dir, 'config.json'));
      const tensors = [...golden.tensors].flatMap(([name, info]) => {
        const { drop, ...rest } = change(name);
        return drop === true ? [] : [{ name, dtype: info.dtype, shape: info.shape, data: golden.read(name), ...rest }];
      });
      writeSafetensors(join(dir, 'model.safetensors'), tensors);
    };
    const module = 'model.layers.0.mlp.down_proj';
    const read = (): unknown => {
      const opened = openQuantized(dir);
      try {
        return opened.linear(0, 'down_proj');
      } finally {
        opened.close();
      }
    };
    write((name) => ({ drop: name === `${module}.weight_scale` }));
    expect(failure(read).message).toContain(`${module}.weight_scale`);
    write((name) => (name === `${module}.weight_scale` ? { shape: [32, 1], data: new Uint8Array(128) } : {}));
    expect(failure(read)).toMatchObject({ kind: 'data', expected: '96 scales', got: '32' });
    write((name) =>
      name === `${module}.weight_shape` ? { data: new Uint8Array(new BigInt64Array([32n, 64n]).buffer) } : {},
    );
    expect(failure(read)).toMatchObject({ kind: 'data', got: '[32, 64]' });
    write(() => ({}));
    expect(read()).toMatchObject({ rows: 32, columns: 48 });
    truncateSync(join(dir, 'model.safetensors'), 20_000);
    expect(failure(read)).toMatchObject({ kind: 'data' });
    golden.close();
  });
});
