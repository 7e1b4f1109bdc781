import { dirname, join } from 'node:path';
import { displayPath, type LoadedConfig, type QuantizeConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';
import { formatBytes } from '../core/format.ts';
import type { EngineChoice } from '../engine/tf/index.ts';
import { weightFiles } from '../io/weights.ts';
import { chooseModel, type ModelChoice } from '../infer/choose-model.ts';
import { withAtomicDir, writeFileAtomic } from '../io/atomic.ts';
import { describeFile, describeFiles, writeManifest } from '../io/manifest.ts';
import { provenance } from '../io/provenance.ts';
import { checkReplaceable } from '../io/replaceable.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { readJsonObject } from '../io/json-file.ts';
import { linearModules } from '../model/tensors.ts';
import { checkQuantizable } from '../quant/compressed-tensors.ts';
import { openCalibration } from '../quant/open-calibration.ts';
import { type LayerReport, quantizeModel } from '../quant/quantize-model.ts';
import { errorTable, type QuantizeFigures, summarize } from '../quant/report.ts';
import { QuantizedWriter } from '../quant/write.ts';

/** Inputs that share a scale with w8a16: what MatMulNBits, Q8_0 and pack-quantized all hold. */
const DEFAULT_GROUP_SIZE = 32;

export interface QuantizeOptions {
  config: LoadedConfig;
  /** A stage of the config, or a folder; the latest that was made when not given. */
  model?: string;
  /** Folder, absolute, in place of quantized/. */
  out?: string;
  scheme?: QuantizeConfig['scheme'];
  method?: QuantizeConfig['method'];
  engine?: EngineChoice;
  threads?: number;
}

/** `quantize`: int8 weights by GPTQ or rounding, as a compressed-tensors checkpoint. */
export async function run(options: QuantizeOptions, context: CommandContext): Promise<CommandResult> {
  const { config } = options;
  const settings = effectiveSettings(options);
  const { scheme, method, head } = settings;
  const groupSize = scheme === 'w8a8' ? undefined : (settings.group_size ?? DEFAULT_GROUP_SIZE);
  const { dir: model, tokenizerDir } = sourceModel(options, context.cwd);
  const out = options.out ?? config.artifact('quantized');
  const shown = (path: string): string => displayPath(path, context.cwd);
  checkReplaceable(out, [model, tokenizerDir]);
  context.emit({ type: 'start', command: 'quantize', message: `quantizing ${shown(model)} to ${scheme} by ${method}` });

  const checkpoint = openCheckpoint(model);
  checkQuantizable(checkpoint.spec);
  const inputs = ['config.json', ...weightFiles(model)].map((name) => describeFile(join(model, name)));
  const calibration =
    method === 'rtn'
      ? undefined
      : await openCalibration(
          config,
          settings,
          tokenizerDir,
          { engine: options.engine, threads: options.threads },
          context,
        );
  const total = linearModules(checkpoint.spec).length;
  const layers: LayerReport[] = [];
  let figures: QuantizeFigures;
  try {
    figures = await withAtomicDir(out, async (folder) => {
      const actorder = method === 'gptq' ? settings.actorder : 'none';
      const source = {
        dir: model,
        tokenizerDir,
        weights: checkpoint.weights,
        spec: checkpoint.spec,
      };
      const writer = new QuantizedWriter(folder, source, { scheme, groupSize, actorder });
      const { calibrationTokens } = await quantizeModel({
        checkpoint,
        head,
        groupSize,
        scaleFormat: 'half',
        mse: settings.mse,
        blockSize: settings.block_size,
        percdamp: settings.percdamp,
        actorder,
        calibration: calibration && { ...calibration, maxLength: settings.calibration.max_length },
        signal: context.signal,
        onLayer: (report, matrix) => {
          writer.put(report.layer, report.role, matrix);
          layers.push(report);
          tell(report, layers.length, total, context);
        },
      });
      writer.finish(readJsonObject(join(model, 'config.json')), head);
      const made = summarize(layers, {
        calibration_rows: calibration?.rows.length ?? 0,
        calibration_tokens: calibrationTokens,
        source_bytes: inputs.slice(1).reduce((sum, { bytes }) => sum + bytes, 0),
        quantized_bytes: describeFile(join(folder, 'model.safetensors')).bytes,
      });
      const report = { scheme, method, group_size: groupSize ?? null, head, actorder, ...made, layers };
      writeFileAtomic(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
      writeManifest(folder, {
        command: 'quantize',
        config: settings as unknown as Json,
        inputs: calibration === undefined ? inputs : [...inputs, calibration.manifest],
        outputs: await describeFiles(folder),
        seed: config.config.seed,
        ...(calibration === undefined ? {} : { engine: calibration.engine.description }),
        ...provenance(dirname(config.path)),
        extra: made,
      });
      return made;
    });
  } finally {
    calibration?.engine.dispose();
    checkpoint.close();
  }
  context.emit({ type: 'artifact', kind: 'quantized', path: out, bytes: figures.quantized_bytes });
  const sizes = `${formatBytes(figures.source_bytes)} → ${formatBytes(figures.quantized_bytes)}`;
  return {
    ok: true,
    summary: `${scheme} in ${shown(out)}: ${layers.length} layers by ${method}, ${sizes}`,
    tables: [errorTable(layers)],
    data: { out, model, scheme, method, head, ...figures },
    next: `llmkit eval -c ${shown(config.path)} --model ${shown(out)}`,
  };
}

/** GPTQ rewrites whole matrices, so an adapter must be in them. */
function sourceModel({ config, model }: QuantizeOptions, cwd: string): ModelChoice {
  const choice = chooseModel(config, { model, cwd });
  if (choice.adapter === undefined) return choice;
  throw new LlmkitError('usage', 'the newest model is an adapter that is not merged', {
    where: choice.adapter,
    hint: `llmkit merge -c ${displayPath(config.path, cwd)}, or name a checkpoint with --model`,
  });
}

/** The config's section with the flags laid over it. */
function effectiveSettings({ config, scheme, method }: QuantizeOptions): QuantizeConfig {
  const section = config.config.quantize;
  return { ...section, scheme: scheme ?? section.scheme, method: method ?? section.method };
}

function tell(report: LayerReport, current: number, total: number, context: CommandContext): void {
  const values = report.error === null ? {} : { error: report.error };
  context.emit({ type: 'step', stage: 'quantize', current, total, unit: 'layers', values });
  if (report.note !== null) context.emit({ type: 'warning', message: report.note, where: report.module });
}
