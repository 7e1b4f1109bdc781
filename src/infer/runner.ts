import { LlmkitError } from '../core/errors.ts';
import { ortTensor, type OrtBinding, type OrtSession, type OrtValue } from '../engine/ort/index.ts';
import type { PositionSpec } from '../model/spec.ts';
import { KvCache } from './kv-cache.ts';
import { LogitScorer } from './logit-scorer.ts';
import { RotaryRows } from './rotary-rows.ts';
import { checkpoint } from './yield.ts';

export interface DecoderOptions {
  /** Longest sequence the model was made for, in tokens. */
  contextLength: number;
  /** Most tokens a prefill run takes at once; default 512. Attention's scores take heads x chunk x length x 4 bytes. */
  prefillChunk?: number;
  /** Tokens the cache has room for at first; default 256. It doubles as the sequence grows. */
  initialCapacity?: number;
  /** Of the model, where its rotary tables are inputs. */
  position?: PositionSpec;
  /** For what runs beside the model's session; ONNX Runtime's choice when absent. */
  threads?: number | undefined;
}

export interface PrefillOptions {
  /** First position (0 is the sequence's first token) whose logits are wanted; the last one when absent. */
  logitsFrom?: number;
  /**
   * Called once a chunk, in order, with the logits f32 [rows, vocab] of positions `first`, `first + 1`, ... The memory is
   * used again by the next run.
   */
  onLogits?: (logits: Float32Array, first: number, rows: number) => void;
  signal?: AbortSignal | undefined;
  /** Keep what the cache already holds of the same beginning; default true. */
  reuse?: boolean;
}

/** Logits of one chunk stay below this, so that a large vocabulary does not fill the memory. */
const MAX_LOGITS_BYTES = 64 * 2 ** 20;

/**
 * One sequence run through a decoder model with its key/value cache in place.
 *
 * The model's inputs: `input_ids` i64 [batch, sequence], `seqlens_k` i32 [batch] (total length - 1),
 * `total_sequence_length` i32 scalar or [1], `logit_positions` i64 [rows] (positions within this run's tokens),
 * `rotary_cos` and `rotary_sin` f32 [positions, dim / 2] where positions turn (see RotaryRows),
 * `past_key_values.N.key|value` f32 [batch, kv_heads, capacity, head_dim]. Its outputs: `logits` f32 [batch, rows, vocab]
 * and `present.N.key|value`. Right for GroupQueryAttention on the CPU, which takes several tokens with a past only at
 * batch 1.
 */
export class DecoderSession {
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly #session: OrtSession;
  readonly #cache: KvCache;
  readonly #rotary: RotaryRows;
  readonly #chunk: number;
  readonly #threads: number | undefined;
  readonly #prefill: OrtBinding;
  readonly #decode: OrtBinding;
  readonly #ids: Int32Array;
  readonly #stepId = new BigInt64Array(1);
  readonly #stepLogits: Float32Array;
  readonly #seqlens = new Int32Array(1);
  readonly #total = new Int32Array(1);
  readonly #values: OrtValue[] = [];
  #chunkValues: OrtValue[] = [];
  #logits: Float32Array;
  #length = 0;
  #scorer: LogitScorer | undefined;

  constructor(session: OrtSession, options: DecoderOptions) {
    const vocab = session.outputPorts.find((port) => port.name === 'logits')?.dims[2];
    const total = session.inputPorts.find((port) => port.name === 'total_sequence_length');
    if (typeof vocab !== 'number' || total === undefined) {
      throw new LlmkitError('data', 'not a decoder model of llmkit', {
        expected: 'an output logits [batch, rows, vocab] and an input total_sequence_length',
        got: `inputs ${session.inputs.join(', ')}; outputs ${session.outputs.join(', ')}`,
      });
    }
    this.vocabSize = vocab;
    this.contextLength = options.contextLength;
    this.#session = session;
    this.#chunk = options.prefillChunk ?? 512;
    this.#threads = options.threads;
    this.#cache = new KvCache(session.inputPorts, options.contextLength, options.initialCapacity ?? 256);
    this.#rotary = new RotaryRows(session.inputs, options.position);
    this.#ids = new Int32Array(options.contextLength);
    this.#stepLogits = new Float32Array(vocab);
    this.#logits = this.#stepLogits;
    this.#prefill = session.binding();
    this.#decode = session.binding();
    const seqlens = this.#own(ortTensor(this.#seqlens, [1]));
    const totals = this.#own(ortTensor(this.#total, total.dims.length === 0 ? [] : [1]));
    for (const binding of [this.#prefill, this.#decode]) {
      binding.bindInput('seqlens_k', seqlens);
      binding.bindInput('total_sequence_length', totals);
    }
    this.#decode.bindInput('input_ids', this.#own(ortTensor(this.#stepId, [1, 1])));
    this.#decode.bindInput('logit_positions', this.#own(ortTensor(new BigInt64Array(1), [1])));
    this.#decode.bindOutput('logits', this.#own(ortTensor(this.#stepLogits, [1, 1, vocab])));
  }

  /** Tokens in the cache. */
  get length(): number {
    return this.#length;
  }

  /** The tokens in the cache; a view that the next run changes. */
  get ids(): Int32Array {
    return this.#ids.subarray(0, this.#length);
  }

  /** Turns logits into log-probabilities; made on first use. */
  get scorer(): LogitScorer {
    this.#scorer ??= new LogitScorer(this.vocabSize, this.#threads);
    return this.#scorer;
  }

  /** Bytes of the cache's buffers. */
  get cacheBytes(): number {
    return this.#cache.byteLength;
  }

  /**
   * Makes the cache hold exactly `ids`, running only what it does not hold yet.
   *
   * @returns logits f32 [vocab] of the last position, in memory that the next run uses again.
   * @throws LlmkitError('data') when `ids` is empty, longer than the context, or has an id outside the vocabulary;
   *   'interrupted' when the signal aborts between chunks.
   */
  async prefill(ids: ArrayLike<number>, options: PrefillOptions = {}): Promise<Float32Array> {
    this.#check(ids, 0);
    const logitsFrom = options.logitsFrom ?? ids.length - 1;
    const limit = options.reuse === false ? 0 : Math.min(this.#length, logitsFrom, ids.length - 1);
    let common = 0;
    while (common < limit && this.#ids[common] === ids[common]) common++;
    this.#length = common;
    return this.#extend(ids, common, 0, options);
  }

  /** Adds `ids` after what the cache holds; otherwise as {@link prefill}. */
  async append(ids: ArrayLike<number>, options: PrefillOptions = {}): Promise<Float32Array> {
    this.#check(ids, this.#length);
    return this.#extend(ids, 0, this.#length, options);
  }

  /**
   * Adds one token.
   *
   * @returns logits f32 [vocab] of the next one, in memory that the next step uses again.
   */
  step(id: number): Float32Array {
    this.#check([id], this.#length);
    this.#reserve(this.#length + 1);
    this.#ids[this.#length] = id;
    this.#stepId[0] = BigInt(id);
    this.#setLength(this.#length + 1);
    this.#decode.run();
    this.#length++;
    return this.#stepLogits;
  }

  /** Forgets everything after the first `length` tokens. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  reset(): void {
    this.#length = 0;
  }

  /** Releases the cache, the bindings and the session. */
  dispose(): void {
    this.#prefill.dispose();
    this.#decode.dispose();
    for (const value of [...this.#values, ...this.#chunkValues]) value.dispose();
    this.#cache.dispose();
    this.#rotary.dispose();
    this.#scorer?.dispose();
    this.#session.dispose();
  }

  /** Runs ids[from..] in chunks; ids[i] is at position `base + i`. */
  async #extend(ids: ArrayLike<number>, from: number, base: number, options: PrefillOptions): Promise<Float32Array> {
    const last = base + ids.length - 1;
    const logitsFrom = Math.min(options.logitsFrom ?? last, last);
    const mostRows = Math.max(1, Math.floor(MAX_LOGITS_BYTES / (4 * this.vocabSize)));
    let next = from;
    let logits = this.#logits;
    while (next < ids.length) {
      if (next > from) await checkpoint(options.signal);
      const most = base + next + this.#chunk > logitsFrom ? Math.min(this.#chunk, mostRows) : this.#chunk;
      const count = Math.min(most, ids.length - next);
      const first = Math.max(0, logitsFrom - (base + next));
      // A run needs at least one row of logits; one nobody asked for costs a single row of the head.
      const rows = Math.max(1, count - first);
      logits = this.#run(ids, next, count, rows);
      if (first < count) options.onLogits?.(logits, base + next + first, rows);
      next += count;
    }
    return logits.subarray(logits.length - this.vocabSize);
  }

  /** One run over ids[from .. from + count), logits for its last `rows` tokens. */
  #run(ids: ArrayLike<number>, from: number, count: number, rows: number): Float32Array {
    const total = this.#length + count;
    this.#reserve(total);
    const input = new BigInt64Array(count);
    for (let i = 0; i < count; i++) {
      input[i] = BigInt(ids[from + i]!);
      this.#ids[this.#length + i] = ids[from + i]!;
    }
    if (this.#logits.length < rows * this.vocabSize) this.#logits = new Float32Array(rows * this.vocabSize);
    const logits = this.#logits.subarray(0, rows * this.vocabSize);
    const positions = BigInt64Array.from({ length: rows }, (_, i) => BigInt(count - rows + i));
    const old = this.#chunkValues;
    this.#chunkValues = [
      ortTensor(input, [1, count]),
      ortTensor(positions, [rows]),
      ortTensor(logits, [1, rows, this.vocabSize]),
    ];
    this.#prefill.bindInput('input_ids', this.#chunkValues[0]!);
    this.#prefill.bindInput('logit_positions', this.#chunkValues[1]!);
    this.#prefill.bindOutput('logits', this.#chunkValues[2]!);
    for (const value of old) value.dispose();
    this.#setLength(total);
    this.#prefill.run();
    this.#length = total;
    return logits;
  }

  #setLength(total: number): void {
    this.#seqlens[0] = total - 1;
    this.#total[0] = total;
  }

  #reserve(tokens: number): void {
    if (!this.#cache.reserve(tokens, this.#length)) return;
    this.#rotary.make(this.#cache.capacity);
    for (const binding of [this.#prefill, this.#decode]) {
      this.#cache.bind(binding);
      this.#rotary.bind(binding);
    }
  }

  #own(value: OrtValue): OrtValue {
    this.#values.push(value);
    return value;
  }

  #check(ids: ArrayLike<number>, before: number): void {
    if (ids.length === 0) throw new LlmkitError('data', 'the model needs at least one token');
    if (before + ids.length > this.contextLength) {
      throw new LlmkitError('data', "the tokens do not fit the model's context", {
        expected: `at most ${this.contextLength} tokens`,
        got: `${before + ids.length}`,
        hint: 'shorten the prompt, or use a model with a longer context',
      });
    }
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (Number.isInteger(id) && id >= 0 && id < this.vocabSize) continue;
      throw new LlmkitError('data', "a token id is outside the model's vocabulary", {
        expected: `0 to ${this.vocabSize - 1}`,
        got: `${id} at position ${before + i}`,
        hint: 'the tokenizer and the model do not belong together',
      });
    }
  }
}
