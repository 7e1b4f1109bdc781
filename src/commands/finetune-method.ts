import { join } from 'node:path';
import { displayPath, type LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext } from '../core/events.ts';
import { describeFile, type FileRecord } from '../io/manifest.ts';
import { ADAPTER_FILES, type Adapter, readAdapter } from '../model/adapter.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { LoraSettings } from '../model/lora.ts';
import { targetNames } from '../model/lora-targets.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { checkTrainedOn } from '../model/trained-on.ts';
import { freezeMethod, fullMethod, loraMethod, type Method } from '../train/methods.ts';

export type FinetuneSection = LoadedConfig['config']['finetune'];

export const DOING: Record<FinetuneSection['method'], string> = {
  lora: 'training a LoRA adapter for',
  full: 'training every weight of',
  freeze: 'training some blocks of',
};

/** The folder that the method's result goes to. */
export const outputOf = (config: LoadedConfig, { method }: FinetuneSection): string =>
  config.artifact(method === 'lora' ? 'adapter' : 'finetuned');

export interface MethodFlags {
  lora?: boolean;
  full?: boolean;
  /** Blocks to train; the others stay frozen. */
  freeze?: number;
  /** Folder of a PEFT adapter, absolute. */
  initAdapter?: string;
}

/** The finetune section with the flags put in their places. @throws LlmkitError('usage') for flags that exclude each other */
export function withFlags(config: LoadedConfig, flags: MethodFlags): FinetuneSection {
  const section = config.config.finetune;
  const given = [
    ...(flags.lora === true ? (['lora'] as const) : []),
    ...(flags.full === true ? (['full'] as const) : []),
    ...(flags.freeze === undefined ? [] : (['freeze'] as const)),
  ];
  if (given.length > 1 || flags.freeze === 0) {
    const got = given.map((method) => `--${method}`).join(' ');
    throw new LlmkitError('usage', 'there is one method of fine-tuning at a time', {
      expected: '--lora, --full or --freeze <n> with n blocks',
      got: flags.freeze === 0 ? '--freeze 0' : got,
    });
  }
  const method = given[0] ?? section.method;
  const layers = flags.freeze ?? section.freeze.trainable_layers;
  const folder = section.init_adapter === undefined ? undefined : config.resolvePath(section.init_adapter);
  const init = flags.initAdapter ?? folder;
  if (init !== undefined && method !== 'lora') {
    throw new LlmkitError('usage', 'an adapter to begin with goes with --lora', {
      where: config.where('finetune.init_adapter'),
      got: `--${method}`,
      hint: 'merge it first, and fine-tune the merged model: llmkit merge',
    });
  }
  return { ...section, method, freeze: { ...section.freeze, trainable_layers: layers }, init_adapter: init };
}

export interface ChosenMethod extends Method {
  /** Undefined where a checkpoint is written. */
  settings: LoraSettings | undefined;
  /** Files besides the base that the run begins with. */
  inputs: FileRecord[];
  notes: string[];
}

/**
 * What the section asks for, over a base.
 *
 * @throws LlmkitError('config') for settings that do not fit the model; 'data' for an adapter that does not
 */
export function chooseMethod(
  section: FinetuneSection,
  { spec, weights: source }: Checkpoint,
  baseFiles: readonly FileRecord[],
  context: CommandContext,
): ChosenMethod {
  const base = { spec, source };
  if (section.method === 'lora') return adapterMethod(section, base, baseFiles, context);
  const { trainable_layers: trainableLayers, extra_modules: extraModules = [] } = section.freeze;
  const method = section.method === 'full' ? fullMethod(source) : freezeMethod(base, { trainableLayers, extraModules });
  if (section.learning_rate >= 1e-4) {
    const message = `learning_rate ${section.learning_rate} is one for adapters: training the model itself takes 1e-5 to 5e-5`;
    context.emit({
      type: 'warning',
      message,
      where: 'finetune.learning_rate',
      hint: '--set finetune.learning_rate=2e-5',
    });
  }
  return { ...method, settings: undefined, inputs: [], notes: [] };
}

function adapterMethod(
  section: FinetuneSection,
  base: { spec: DecoderSpec; source: Checkpoint['weights'] },
  baseFiles: readonly FileRecord[],
  context: CommandContext,
): ChosenMethod {
  const { seed, init_adapter: folder } = section;
  if (folder === undefined) {
    const settings = settingsOf(section.lora, base.spec);
    return { ...loraMethod(base, settings, { seed }), settings, inputs: [], notes: [] };
  }
  const from: Adapter = readAdapter(folder, base.spec);
  checkTrainedOn(folder, () => baseFiles);
  const { r, alpha } = from.lora;
  const notes = [
    `beginning with the adapter in ${displayPath(folder, context.cwd)}: rank ${r}, alpha ${alpha}, and its other settings`,
  ];
  const inputs = ADAPTER_FILES.map((name) => describeFile(join(folder, name)));
  return { ...loraMethod(base, from.lora, { seed, from }), settings: from.lora, inputs, notes };
}

function settingsOf(config: FinetuneSection['lora'], spec: DecoderSpec): LoraSettings {
  return {
    r: config.r,
    alpha: config.lora_alpha,
    dropout: config.lora_dropout,
    useRslora: config.use_rslora,
    useDora: config.use_dora,
    bias: config.bias,
    ensureWeightTying: config.ensure_weight_tying,
    initLoraWeights: config.init_lora_weights,
    targetModules: targetNames(spec, config.target_modules),
    ...(config.exclude_modules === undefined ? {} : { excludeModules: config.exclude_modules }),
    ...(config.layers_to_transform === undefined ? {} : { layersToTransform: config.layers_to_transform }),
    ...(config.layers_pattern === undefined ? {} : { layersPattern: config.layers_pattern }),
    ...(config.rank_pattern === undefined ? {} : { rankPattern: config.rank_pattern }),
    ...(config.alpha_pattern === undefined ? {} : { alphaPattern: config.alpha_pattern }),
    ...(config.modules_to_save === undefined ? {} : { modulesToSave: config.modules_to_save }),
  };
}
