import { LlmkitError } from '../core/errors.ts';
import { ROTARY_TABLES } from '../decoder/inference.ts';
import { ortTensor, type OrtBinding, type OrtValue } from '../engine/ort/index.ts';
import { rotaryTables } from '../model/rope.ts';
import type { PositionSpec } from '../model/spec.ts';

/**
 * The cosines and sines that a model with rotary positions reads, of as many positions as its cache has room for: a table of
 * a whole context of a million tokens takes half a gigabyte.
 */
export class RotaryRows {
  readonly #position: Extract<PositionSpec, { kind: 'rotary' }> | undefined;
  #values: [name: string, value: OrtValue][] = [];

  /** @param inputs names of the model's inputs; one without tables among them needs no rows. */
  constructor(inputs: readonly string[], position: PositionSpec | undefined) {
    if (!inputs.includes(ROTARY_TABLES.cos)) return;
    if (position?.kind !== 'rotary')
      throw new LlmkitError('bug', 'the model turns positions, and its spec does not say how');
    this.#position = position;
  }

  /** Makes the rows of positions 0 to `positions` - 1; they must be bound anew. */
  make(positions: number): void {
    if (this.#position === undefined) return;
    const shape = [positions, this.#position.dim / 2];
    const tables = rotaryTables(this.#position, positions);
    this.dispose();
    this.#values = (['cos', 'sin'] as const).map((key) => [ROTARY_TABLES[key], ortTensor(tables[key], shape)]);
  }

  bind(binding: OrtBinding): void {
    for (const [name, value] of this.#values) binding.bindInput(name, value);
  }

  dispose(): void {
    for (const [, value] of this.#values) value.dispose();
    this.#values = [];
  }
}
