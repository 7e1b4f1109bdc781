import { LlmkitError } from '../core/errors.ts';
import type { Json } from '../core/events.ts';
import { Random } from '../core/random.ts';
import { buildTrainingGraph } from '../decoder/training.ts';
import type { LoraOptions } from '../decoder/training-weights.ts';
import type { TfEngine, TfTensor } from '../engine/tf/index.ts';
import { lowerToTensorFlow } from '../graph/index.ts';
import type { WeightSource } from '../io/safetensors.ts';
import { readAdapter } from '../model/adapter.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { loraOptions } from '../train/methods.ts';
import { adapterValues } from '../train/weights.ts';

/** Rows and tokens of the probe: enough for every layer to matter, small enough to take a second. */
const [ROWS, LENGTH] = [2, 32];

/** Largest difference of logits that storing the weights explains, as a share of the largest logit. */
const TOLERANCE: Record<string, number> = { F32: 1e-4, F16: 4e-3, BF16: 3e-2 };

/**
 * Compares the logits of base and adapter with those of the merged checkpoint on random tokens, in fp32.
 *
 * @throws LlmkitError('data') when they differ by more than the stored dtype explains
 */
export function verifyMerge(
  engine: TfEngine,
  folders: { base: string; adapter: string; merged: string },
): { [key: string]: Json } {
  const base = openCheckpoint(folders.base);
  const merged = openCheckpoint(folders.merged);
  try {
    const adapter = readAdapter(folders.adapter, base.spec);
    const adapted = new Map(adapterValues(adapter));
    const options = loraOptions(adapter.lora, adapter.factors.keys(), 0);
    const plain = logits(engine, base.spec, base.weights, undefined, new Map());
    const expected = logits(engine, base.spec, base.weights, options, adapted);
    const actual = logits(engine, merged.spec, merged.weights, undefined, new Map());
    const largest = expected.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    const difference = worst(actual, expected);
    const stored = merged.weights.tensors.get(`${[...adapter.factors.keys()][0]}.weight`)!.dtype;
    const tolerance = (TOLERANCE[stored] ?? TOLERANCE['BF16']!) * largest;
    if (!(difference <= tolerance)) {
      throw new LlmkitError('data', 'the merged model does not compute what base and adapter do', {
        where: folders.merged,
        expected: `logits within ${tolerance.toPrecision(2)} (stored as ${stored})`,
        got: `a difference of ${difference.toPrecision(3)}`,
        hint: stored === 'F32' ? 'this is a bug in llmkit' : 'merge with --dtype float32, which loses nothing',
      });
    }
    return { max_logit_difference: difference, tolerance, adapter_effect: worst(plain, expected), stored };
  } finally {
    base.close();
    merged.close();
  }
}

/** Largest difference; NaN, which Math.max keeps, when any value is one. */
function worst(a: Float32Array, b: Float32Array): number {
  return a.reduce((top, x, i) => Math.max(top, Math.abs(x - b[i]!)), 0);
}

/** Logits f32 [ROWS * LENGTH, vocab] of random tokens, the same at every call. */
function logits(
  engine: TfEngine,
  spec: DecoderSpec,
  weights: WeightSource,
  lora: LoraOptions | undefined,
  adapter: ReadonlyMap<string, Float32Array>,
): Float32Array {
  const { graph, weights: slots } = buildTrainingGraph({
    spec,
    shape: { batch: ROWS, length: LENGTH, band: LENGTH, blockSize: LENGTH },
    targets: 1,
    matrixDType: 'f32',
    lora,
    produce: 'logits',
  });
  const program = engine.load(lowerToTensorFlow(graph, engine.kind));
  const random = new Random(0);
  const ids = Int32Array.from({ length: ROWS * LENGTH }, () => random.int(spec.vocabSize));
  const feeds: Record<string, TfTensor> = {
    input_ids: engine.tensor(ids, [ROWS * LENGTH], 'i32'),
    document_starts: engine.tensor(new Int32Array(ROWS * LENGTH), [ROWS, LENGTH], 'i32'),
  };
  for (const { name, shape } of slots) {
    feeds[name] = engine.tensor(adapter.get(name)?.slice() ?? weights.readF32(name), shape, 'f32');
  }
  const result = program.run(feeds)['logits']!;
  const values = engine.read(result) as Float32Array;
  for (const tensor of [...Object.values(feeds), result]) tensor.dispose();
  program.dispose();
  return values;
}
