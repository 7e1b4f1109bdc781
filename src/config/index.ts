export { loadConfig, isInlineTemplate, type LoadOptions } from './load.ts';
export { LoadedConfig, type LoadedConfigData } from './loaded.ts';
export { displayPath } from './places.ts';
export {
  jsonSchema,
  type Config,
  type FinetuneConfig,
  type GenerateConfig,
  type PretrainConfig,
  type QuantizeConfig,
  type TrainingConfig,
} from './schema/config.ts';
export type { EvalConfig, EvalTask, GateConfig } from './schema/eval.ts';
export type { LoraConfig } from './schema/finetune.ts';
export type { ModelConfig } from './schema/model.ts';
export { rolesOfType, type PrepareConfig, type RowType, type SourceConfig } from './schema/prepare.ts';
