import { LlmkitError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { DecoderSpec } from './spec.ts';
import { expectedTensors, type LinearModule, linearModules } from './tensors.ts';

/** Which linear layers have an adapter, by PEFT's options and with PEFT's rules. */
export interface LoraTargets {
  /**
   * `all-linear`: every linear layer of the blocks. Any other string is a regular expression that must match the whole
   * module path. A list holds paths, or their ends at a dot (`q_proj`).
   */
  targetModules: string | readonly string[];
  /** Left out, though `targetModules` has them: an expression or names, as above. */
  excludeModules?: string | readonly string[];
  /** Blocks, from 0, that names in a list stand for; whole paths are not limited by it. */
  layersToTransform?: readonly number[];
  /** Expressions for the part of the path before the block's number; by default anything. */
  layersPattern?: readonly string[];
  /** Modules trained in full have no adapter. */
  modulesToSave?: readonly string[];
}

/**
 * Whether a module has an adapter.
 *
 * @throws LlmkitError('config') for an expression that JavaScript does not read
 */
export function isTarget(module: string, targets: LoraTargets): boolean {
  const { targetModules, excludeModules, layersToTransform = [], modulesToSave = [] } = targets;
  if (excludeModules !== undefined && isNamed(module, excludeModules)) return false;
  if (modulesToSave.some((name) => pythonRegExp(`(?:|.*\\.)${name}(?:|\\..*)`, 'modules_to_save').test(module)))
    return false;
  if (typeof targetModules === 'string') {
    return targetModules.toLowerCase() === 'all-linear' || isNamed(module, targetModules);
  }
  if (targetModules.includes(module)) return true;
  if (!isNamed(module, targetModules)) return false;
  return layersToTransform.length === 0 || layersToTransform.includes(layerOf(module, targets.layersPattern ?? []));
}

/** Whether a path matches an expression whole, or is or ends in one of some names. */
function isNamed(module: string, names: string | readonly string[]): boolean {
  if (typeof names === 'string') return pythonRegExp(names, 'target_modules').test(module);
  return names.some((name) => module === name || module.endsWith(`.${name}`));
}

function layerOf(module: string, patterns: readonly string[]): number {
  const before = patterns.length === 0 ? ['.*?\\.[^.]*'] : patterns.map((pattern) => `(?:|.*?\\.)${pattern}`);
  for (const pattern of before) {
    const match = pythonRegExp(`${pattern}\\.(\\d+)\\..*`, 'layers_pattern').exec(module);
    if (match) return Number(match.at(-1));
  }
  return -1;
}

/** Python's spelling of what both languages have, matched against the whole text. */
function pythonRegExp(pattern: string, where: string): RegExp {
  const spelled = pattern.replaceAll('(?P<', '(?<').replaceAll(/\\([AZ])/g, (_, at) => (at === 'A' ? '^' : '$'));
  try {
    return new RegExp(`^(?:${spelled})$`);
  } catch (error) {
    throw new LlmkitError('config', `${pattern} is no regular expression that JavaScript reads`, {
      where,
      got: pattern,
      hint: 'leave out what only Python has, such as (?i); or list the names',
      cause: error,
    });
  }
}

/**
 * What rank_pattern or alpha_pattern says of a module: the value of the first key that matches the whole path or its end
 * at a dot. Keys are regular expressions.
 */
export function patternValue(
  patterns: Readonly<Record<string, number>> | undefined,
  module: string,
): number | undefined {
  for (const [pattern, value] of Object.entries(patterns ?? {})) {
    if (pythonRegExp(`(?:.*\\.)?(?:${pattern})`, 'rank_pattern').test(module)) return value;
  }
  return undefined;
}

/**
 * The modules that get an adapter, layer by layer.
 *
 * @throws LlmkitError('config') for a name, a block or a pattern that fits nothing, and when no module is left
 */
export function resolveTargetModules(
  spec: DecoderSpec,
  targets: LoraTargets & {
    rankPattern?: Readonly<Record<string, number>>;
    alphaPattern?: Readonly<Record<string, number>>;
  },
): LinearModule[] {
  const modules = linearModules(spec);
  const { targetModules, excludeModules, layersToTransform = [] } = targets;
  if (typeof targetModules !== 'string') checkNames(spec, modules, targetModules, 'target_modules');
  if (excludeModules !== undefined && typeof excludeModules !== 'string') {
    checkNames(spec, modules, excludeModules, 'exclude_modules');
  }
  const beyond = layersToTransform.find((layer) => layer >= spec.numLayers);
  if (beyond !== undefined) {
    throw new LlmkitError('config', `there is no layer ${beyond}`, {
      where: 'layers_to_transform',
      expected: `0 to ${spec.numLayers - 1}`,
      got: String(beyond),
    });
  }
  if (layersToTransform.length > 0 && typeof targetModules === 'string') {
    throw new LlmkitError('config', 'layers_to_transform goes with a list of names', {
      where: 'layers_to_transform',
      expected: 'target_modules: [q_proj, v_proj], say',
      got: `target_modules: ${targetModules}`,
      hint: 'name the layers in the expression, or list the modules; PEFT refuses it too',
    });
  }
  const chosen = modules.filter(({ module }) => isTarget(module, targets));
  if (chosen.length === 0) {
    throw new LlmkitError('config', `no linear layer of this ${spec.modelType} is left to adapt`, {
      where: 'target_modules',
      expected: `an expression such as .*\\.${lastPart(modules[0]!.module)}, all-linear or names`,
      got: String(targetModules),
    });
  }
  checkPatterns(chosen, targets.rankPattern, 'rank_pattern');
  checkPatterns(chosen, targets.alphaPattern, 'alpha_pattern');
  return chosen;
}

function checkNames(
  spec: DecoderSpec,
  modules: readonly LinearModule[],
  names: readonly string[],
  where: string,
): void {
  for (const name of names) {
    if (modules.some(({ module }) => isNamed(module, [name]))) continue;
    const known = [...new Set(modules.map(({ module }) => lastPart(module)))];
    const near = nearest(name, known);
    throw new LlmkitError('config', `${name} is no linear layer of a ${spec.modelType} block`, {
      where,
      expected: `all-linear, or some of ${known.join(', ')}`,
      got: name,
      ...(near === undefined ? {} : { hint: `did you mean ${near}?` }),
    });
  }
}

/** A pattern that fits nothing is a mistake that PEFT would not tell. */
function checkPatterns(
  modules: readonly LinearModule[],
  patterns: Readonly<Record<string, number>> | undefined,
  where: string,
): void {
  for (const [pattern, value] of Object.entries(patterns ?? {})) {
    if (modules.some(({ module }) => patternValue({ [pattern]: value }, module) !== undefined)) continue;
    throw new LlmkitError('config', `${pattern} matches no layer that is adapted`, {
      where,
      expected: `such as ${lastPart(modules[0]!.module)}, or an expression for the end of a path`,
      got: pattern,
    });
  }
}

/** `target_modules` as it goes into adapter_config.json: the names that stand for `all-linear`, or what was given. */
export function targetNames(spec: DecoderSpec, targets: string | readonly string[]): string | string[] {
  if (targets !== 'all-linear') return typeof targets === 'string' ? targets : [...targets];
  return [...new Set(linearModules(spec).map(({ module }) => lastPart(module)))];
}

/** The head's module in transformers 5, whatever checkpoints call it (`embed_out` in GPT-NeoX), and so in PEFT. */
export const HEAD_IN_PEFT = 'lm_head';

/**
 * Names of the tensors that `modules_to_save` trains in full, in the order of computation. As in PEFT, a name fits every
 * module whose path ends in it, and all that is in that module.
 *
 * @throws LlmkitError('config') for a name that fits nothing; for embedding or head of a model that ties them, unless
 *   `tie` keeps them one
 */
export function savedTensors(spec: DecoderSpec, modules: readonly string[], tie: boolean, where: string): string[] {
  const tensors = expectedTensors(spec).map(({ name }) => name);
  const fits = (path: string, entry: string): boolean =>
    path.split('.').some((_, i, parts) =>
      parts
        .slice(0, i + 1)
        .join('.')
        .endsWith(entry),
    );
  const embedding = `${spec.names.embedding}.weight`;
  const saved = new Set<string>();
  for (const entry of modules) {
    const found = tensors.filter((name) => fits(name.slice(0, name.lastIndexOf('.')), entry));
    if (fits(spec.names.headModule, entry) || fits(HEAD_IN_PEFT, entry)) {
      found.push(spec.tiedHead ? embedding : `${spec.names.headModule}.weight`);
    }
    if (found.length === 0) {
      throw new LlmkitError('config', `${entry} is no module of this ${spec.modelType}`, {
        where,
        expected: `such as ${lastPart(spec.names.embedding)} or ${spec.names.headModule}`,
        got: entry,
      });
    }
    for (const name of found) saved.add(name);
  }
  if (spec.tiedHead && !tie && saved.has(embedding)) {
    throw new LlmkitError('config', 'this model has one matrix as embedding and head', {
      where,
      expected: 'ensure_weight_tying: true, which trains the one matrix and saves it as both',
      got: modules.join(', '),
      hint: 'set ensure_weight_tying; an adapter that parts them could not be merged into the model',
    });
  }
  return tensors.filter((name) => saved.has(name));
}

function lastPart(module: string): string {
  return module.slice(module.lastIndexOf('.') + 1);
}
