import { LlmkitError } from '../core/errors.ts';
import { ortTensor, type OrtBinding, type OrtPort, type OrtValue } from '../engine/ort/index.ts';

const PAST = /^past_key_values\.(\d+)\.(key|value)$/;

/**
 * Keys and values of one sequence, f32 [1, kv_heads, capacity, head_dim] a layer, updated in place: each buffer is
 * bound as `past_key_values.N.*` and as `present.N.*`. Capacity doubles as the sequence grows; growing copies what is
 * there and needs the buffers bound anew.
 */
export class KvCache {
  readonly #names: string[];
  readonly #kvHeads: number;
  readonly #headDim: number;
  readonly #limit: number;
  readonly #initial: number;
  #capacity = 0;
  #values: OrtValue[] = [];

  /**
   * @param ports the model's inputs; those named `past_key_values.N.key|value` are the cache.
   * @param limit the longest sequence, in tokens.
   * @param initial the first capacity, in tokens.
   */
  constructor(ports: readonly OrtPort[], limit: number, initial: number) {
    const past = ports.filter((port) => PAST.test(port.name));
    const [, kvHeads, , headDim] = past[0]?.dims ?? [];
    if (typeof kvHeads !== 'number' || typeof headDim !== 'number') {
      throw new LlmkitError('data', 'the model has no key/value cache', {
        expected: 'inputs past_key_values.N.key of f32 [batch, kv_heads, capacity, head_dim] with fixed heads',
        got: ports.map((port) => port.name).join(', '),
      });
    }
    this.#names = past.map((port) => port.name);
    this.#kvHeads = kvHeads;
    this.#headDim = headDim;
    this.#limit = limit;
    this.#initial = initial;
  }

  /** Tokens there is room for. */
  get capacity(): number {
    return this.#capacity;
  }

  get byteLength(): number {
    return this.#values.reduce((sum, value) => sum + value.data.byteLength, 0);
  }

  /**
   * Makes room for `tokens`, keeping the first `used`.
   *
   * @returns true when the buffers are new and must be bound again.
   */
  reserve(tokens: number, used: number): boolean {
    if (tokens <= this.#capacity) return false;
    let capacity = Math.max(this.#capacity, this.#initial);
    while (capacity < tokens) capacity *= 2;
    capacity = Math.min(capacity, this.#limit);
    const shape = [1, this.#kvHeads, capacity, this.#headDim];
    const old = this.#values;
    const oldRow = this.#capacity * this.#headDim;
    const newRow = capacity * this.#headDim;
    this.#values = this.#names.map((_, i) => {
      const data = new Float32Array(this.#kvHeads * newRow);
      const from = (old[i]?.data ?? new Float32Array(0)) as Float32Array;
      for (let head = 0; head < this.#kvHeads; head++) {
        data.set(from.subarray(head * oldRow, head * oldRow + used * this.#headDim), head * newRow);
      }
      return ortTensor(data, shape);
    });
    for (const value of old) value.dispose();
    this.#capacity = capacity;
    return true;
  }

  bind(binding: OrtBinding): void {
    this.#names.forEach((name, i) => {
      const value = this.#values[i]!;
      binding.bindInput(name, value);
      binding.bindOutput(name.replace('past_key_values', 'present'), value);
    });
  }

  dispose(): void {
    for (const value of this.#values) value.dispose();
    this.#values = [];
    this.#capacity = 0;
  }
}
