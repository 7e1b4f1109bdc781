import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { displayPath, type LoadedConfig, type QuantizeConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext } from '../core/events.ts';
import { chooseEngine, type EngineChoice, type TfEngine } from '../engine/tf/index.ts';
import { describeFile, type FileRecord, MANIFEST } from '../io/manifest.ts';
import { checkSameTokenizer } from '../model/same-tokenizer.ts';
import type { CalibrationRow } from './calibrate.ts';
import { calibrationRows } from './calibration-rows.ts';

export interface OpenedCalibration {
  engine: TfEngine;
  rows: CalibrationRow[];
  /** Of prepared/, for the chain of manifests. */
  manifest: FileRecord;
}

/**
 * The rows to calibrate on and the engine to run them.
 *
 * @param tokenizerDir folder of the model's tokenizer
 * @throws LlmkitError `io` when nothing was prepared, `data` when it was with another tokenizer.
 */
export async function openCalibration(
  config: LoadedConfig,
  { calibration }: QuantizeConfig,
  tokenizerDir: string,
  { engine, threads }: { engine: EngineChoice | undefined; threads: number | undefined },
  context: CommandContext,
): Promise<OpenedCalibration> {
  const manifest = join(config.artifact('prepared'), MANIFEST);
  if (!existsSync(manifest)) {
    throw new LlmkitError('io', 'GPTQ needs prepared data to calibrate on', {
      where: config.artifact('prepared'),
      hint: `llmkit prepare -c ${displayPath(config.path, context.cwd)}, or quantize with --method rtn`,
    });
  }
  checkSameTokenizer(config.artifact('prepared', 'tokenizer'), tokenizerDir);
  const { rows, available } = calibrationRows(config.artifact('prepared'), calibration, config.config.seed);
  if (available < calibration.samples) {
    const message = `only ${available} rows to calibrate on, not the ${calibration.samples} of quantize.calibration.samples`;
    context.emit({ type: 'note', message });
  }
  // Hessians want full precision: the mode that rounds products to bf16 stays off.
  const chosen = await chooseEngine({
    engine: engine ?? 'auto',
    bf16: false,
    ...(threads === undefined ? {} : { threads }),
  });
  context.emit({ type: 'note', message: `calibrating on ${chosen.description}: ${chosen.reason}` });
  return { engine: chosen, rows, manifest: describeFile(manifest) };
}
