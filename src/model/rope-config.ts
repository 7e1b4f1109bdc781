import type { ConfigFields } from './config-fields.ts';
import type { RopeScaling } from './spec.ts';

/** transformers' default when a config gives no theta. */
const DEFAULT_THETA = 10_000;
export const ROPE_TYPES = ['default', 'linear', 'llama3'];

export interface RopeConfig {
  theta: number;
  scaling: RopeScaling | undefined;
}

/** What a family calls its settings where they stand outside of `rope_parameters`. */
interface RopeFields {
  theta: string;
  /** Share of the head that turns; absent where the whole head does. */
  fraction?: { name: string; usual: number };
}

/**
 * Rotary settings in either spelling: `rope_theta` with `rope_scaling` (transformers 4, where the scaling's kind may be
 * called `type`), or `rope_parameters` (transformers 5).
 *
 * @returns besides, the share of each head's dimensions that turn
 * @throws LlmkitError('data') when the two spellings disagree, for an unknown kind, a missing or unknown field.
 */
export function readRope(
  fields: ConfigFields,
  maxPositions: number,
  names: RopeFields = { theta: 'rope_theta' },
): RopeConfig & { fraction: number } {
  const parameters = fields.object('rope_parameters');
  const scaling = fields.object('rope_scaling');
  if (parameters !== undefined && scaling !== undefined) {
    throw fields.wrong('rope_scaling', 'either rope_parameters or rope_scaling', 'remove the one that is out of date');
  }
  const rope = parameters ?? scaling;
  const theta = readSame(fields, rope, { outside: names.theta, inside: 'rope_theta', usual: DEFAULT_THETA });
  const fraction = readFraction(fields, rope, names);
  if (rope === undefined) return { theta, fraction, scaling: undefined };
  const result = { theta, fraction, scaling: readScaling(rope, maxPositions) };
  rope.finishStrict();
  fields.notes.push(...rope.notes);
  return result;
}

/** A number that may stand in the rotary parameters, or outside of them by the family's own name, or in both alike. */
function readSame(
  fields: ConfigFields,
  rope: ConfigFields | undefined,
  { outside, inside, usual }: { outside: string; inside: string; usual: number },
): number {
  if (rope === undefined || !rope.has(inside)) return fields.positive(outside, usual);
  const value = rope.positive(inside);
  if (fields.has(outside) && fields.positive(outside) !== value) {
    throw fields.wrong(outside, `${value}, as in the rotary parameters`);
  }
  return value;
}

function readFraction(fields: ConfigFields, rope: ConfigFields | undefined, { fraction }: RopeFields): number {
  const inside = 'partial_rotary_factor';
  if (fraction === undefined) {
    // The default rule turns the whole head whatever this says, the others would not.
    if (rope?.has(inside) === true && rope.positive(inside) !== 1) {
      throw rope.wrong(inside, '1: the whole head turns in this family');
    }
    return 1;
  }
  const share = readSame(fields, rope, { outside: fraction.name, inside, usual: fraction.usual });
  if (share <= 1) return share;
  throw fields.has(fraction.name)
    ? fields.wrong(fraction.name, 'a number above 0, of at most 1')
    : rope!.wrong(inside, 'a number above 0, of at most 1');
}

function readScaling(rope: ConfigFields, maxPositions: number): RopeScaling | undefined {
  const kind = rope.has('rope_type') ? 'rope_type' : 'type';
  if (rope.has('type') && rope.string('type') !== rope.string(kind)) {
    throw rope.wrong('type', `${rope.string(kind)}, as in rope_type`);
  }
  switch (rope.string(kind, 'default')) {
    case 'default':
      return undefined;
    case 'linear':
      return { type: 'linear', factor: readFactor(rope) };
    case 'llama3': {
      const scaling = {
        type: 'llama3' as const,
        factor: readFactor(rope),
        lowFreqFactor: rope.positive('low_freq_factor'),
        highFreqFactor: rope.positive('high_freq_factor'),
        originalMaxPositions: rope.integer('original_max_position_embeddings', 1, maxPositions),
      };
      if (scaling.highFreqFactor <= scaling.lowFreqFactor) {
        throw rope.wrong('high_freq_factor', `more than low_freq_factor, which is ${scaling.lowFreqFactor}`);
      }
      return scaling;
    }
    default:
      throw rope.wrong(kind, ROPE_TYPES.join(', '), 'this kind of rotary scaling is not supported');
  }
}

function readFactor(rope: ConfigFields): number {
  const factor = rope.positive('factor');
  if (factor < 1) throw rope.wrong('factor', 'a number of at least 1');
  return factor;
}

/** transformers' `rope_parameters` object. */
export function ropeToConfig({ theta, scaling }: RopeConfig): { [key: string]: number | string } {
  if (scaling === undefined) return { rope_type: 'default', rope_theta: theta };
  if (scaling.type === 'linear') return { rope_type: 'linear', rope_theta: theta, factor: scaling.factor };
  return {
    rope_type: 'llama3',
    rope_theta: theta,
    factor: scaling.factor,
    low_freq_factor: scaling.lowFreqFactor,
    high_freq_factor: scaling.highFreqFactor,
    original_max_position_embeddings: scaling.originalMaxPositions,
  };
}
