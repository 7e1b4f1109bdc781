import { LlmkitError, LlmkitErrors } from '../core/errors.ts';
import { type SafetensorsDType, type WeightSource } from '../io/safetensors.ts';
import type { DecoderSpec } from './spec.ts';
import { expectedTensors } from './tensors.ts';

export const FLOATS: readonly SafetensorsDType[] = ['F32', 'BF16', 'F16', 'F64'];
const MOST_ERRORS = 20;
/** Buffers that old versions of transformers saved: rotary frequencies, and the causal masks of GPT-2 and GPT-NeoX. */
const LEFTOVER = /\.rotary_emb\.inv_freq$|\.(attn|attention)\.(bias|masked_bias)$/;

/**
 * Checks names, shapes and dtypes of a checkpoint against its spec, from the headers alone: every expected tensor is
 * there, and nothing else is. Reports all that is wrong together.
 *
 * @param where the checkpoint's folder, for errors
 * @throws LlmkitError('data') naming each tensor
 */
export function checkWeights(spec: DecoderSpec, weights: WeightSource, where: string): void {
  const errors: LlmkitError[] = [];
  const expected = expectedTensors(spec);
  const known = new Set(expected.map(({ name }) => name));
  for (const { name, shape } of expected) {
    const info = weights.tensors.get(name);
    if (info === undefined) {
      errors.push(missing(spec, name, shape, weights, where));
    } else if (info.shape.join() !== shape.join()) {
      errors.push(
        new LlmkitError('data', `${name} has a shape that config.json does not give it`, {
          where: `${where}: ${name}`,
          expected: `[${shape.join(', ')}]`,
          got: `[${info.shape.join(', ')}]`,
        }),
      );
    } else if (!FLOATS.includes(info.dtype)) {
      errors.push(
        new LlmkitError('data', `${name} is stored as ${info.dtype}`, {
          where: `${where}: ${name}`,
          expected: FLOATS.join(', '),
          got: info.dtype,
          hint: 'use the checkpoint it was quantized from',
        }),
      );
    }
  }
  for (const name of weights.tensors.keys()) {
    if (known.has(name) || LEFTOVER.test(name) || isTiedCopy(spec, weights, name)) continue;
    errors.push(
      new LlmkitError(
        'data',
        `${name} is in the checkpoint, and ${spec.modelType} with this config.json has no such tensor`,
        {
          where: `${where}: ${name}`,
          got: `[${weights.tensors.get(name)!.shape.join(', ')}]`,
          hint: 'computing without it would give another model; config.json and the weights do not belong together',
        },
      ),
    );
  }
  if (errors.length === 1) throw errors[0]!;
  if (errors.length > 1) {
    const more = errors.length > MOST_ERRORS ? ` (the first ${MOST_ERRORS} follow)` : '';
    const message = `${where}: ${errors.length} tensors are not as config.json says${more}`;
    throw new LlmkitErrors('data', message, errors.slice(0, MOST_ERRORS));
  }
}

function missing(
  { names }: DecoderSpec,
  name: string,
  shape: number[],
  weights: WeightSource,
  where: string,
): LlmkitError {
  const untied = name === `${names.headModule}.weight` && weights.tensors.has(`${names.embedding}.weight`);
  return new LlmkitError('data', `${name} is missing`, {
    where: `${where}: ${name}`,
    expected: `[${shape.join(', ')}]`,
    hint: untied
      ? 'if the head is the embedding, config.json must say tie_word_embeddings: true'
      : 'the file may belong to another model, or be one shard of several',
  });
}

/** A head beside a tied embedding is the embedding once more, or the checkpoint contradicts its config. */
function isTiedCopy(spec: DecoderSpec, weights: WeightSource, name: string): boolean {
  const embedding = `${spec.names.embedding}.weight`;
  if (!spec.tiedHead || name !== `${spec.names.headModule}.weight` || !weights.tensors.has(embedding)) return false;
  return Buffer.compare(weights.read(name), weights.read(embedding)) === 0;
}
