import { LlmkitError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { DecoderSpec } from './spec.ts';
import { type LinearModule, linearModules } from './tensors.ts';

/** Low-rank adaptation (Hu et al. 2021): y = W x + scale * B (A x), by PEFT's names. */
export interface LoraSettings {
  r: number;
  alpha: number;
  dropout: number;
  /** Last parts of module paths (`q_proj`), or whole paths. */
  targetModules: string[];
  /** Scale by alpha / sqrt(r) instead of alpha / r (Kalajdzievski 2023). */
  useRslora: boolean;
}

export interface LoraFactors {
  /** f32 [r, in]. */
  A: Float32Array;
  /** f32 [out, r]. */
  B: Float32Array;
}

/** What B A is multiplied with. */
export function loraScale({ r, alpha, useRslora }: Pick<LoraSettings, 'r' | 'alpha' | 'useRslora'>): number {
  return alpha / (useRslora ? Math.sqrt(r) : r);
}

/** One row of scale * B A, summed in double precision into `out` f64 [in]. */
export function updateRow({ A, B }: LoraFactors, row: number, scale: number, out: Float64Array): void {
  const inner = out.length;
  const r = A.length / inner;
  out.fill(0);
  for (let k = 0; k < r; k++) {
    const factor = scale * B[row * r + k]!;
    const start = k * inner;
    for (let column = 0; column < inner; column++) out[column]! += factor * A[start + column]!;
  }
}

/** PEFT's rule for a list: the path itself, or its end at a dot. */
export function isTarget(module: string, targets: readonly string[]): boolean {
  return targets.some((target) => module === target || module.endsWith(`.${target}`));
}

/**
 * The modules that `target_modules` names, layer by layer.
 *
 * @param targets `all-linear`, or names as PEFT takes them
 * @throws LlmkitError('config') for a name that fits no linear layer of the model
 */
export function resolveTargetModules(spec: DecoderSpec, targets: 'all-linear' | readonly string[]): LinearModule[] {
  const modules = linearModules(spec);
  if (targets === 'all-linear') return modules;
  for (const target of targets) {
    if (modules.some(({ module }) => isTarget(module, [target]))) continue;
    const names = [...new Set(modules.map(({ module }) => lastPart(module)))];
    const near = nearest(target, names);
    throw new LlmkitError('config', `${target} is no linear layer of a ${spec.modelType} block`, {
      where: 'target_modules',
      expected: `all-linear, or some of ${names.join(', ')}`,
      got: target,
      ...(near === undefined ? {} : { hint: `did you mean ${near}?` }),
    });
  }
  return modules.filter(({ module }) => isTarget(module, targets));
}

/** `target_modules` as it goes into adapter_config.json: the names that stand for `all-linear`, or the list as it is. */
export function targetNames(spec: DecoderSpec, targets: 'all-linear' | readonly string[]): string[] {
  if (targets !== 'all-linear') return [...targets];
  return [...new Set(linearModules(spec).map(({ module }) => lastPart(module)))];
}

function lastPart(module: string): string {
  return module.slice(module.lastIndexOf('.') + 1);
}
