import type { CommandSpec } from '../spec.ts';
import { configCheck, configPrint, configSchema } from './config.ts';
import { doctor } from './doctor.ts';
import { evaluate } from './eval.ts';
import { finetune } from './finetune.ts';
import { generate } from './generate.ts';
import { merge } from './merge.ts';
import { plan } from './plan.ts';
import { prepare } from './prepare.ts';
import { pretrain } from './pretrain.ts';
import { quantize } from './quantize.ts';
import { quickstart } from './quickstart.ts';
import { setup } from './setup.ts';

/** Every command, in the order `--help` lists them: the order they are used in. */
export const specs: readonly CommandSpec[] = [
  quickstart,
  setup,
  doctor,
  configCheck,
  configPrint,
  configSchema,
  prepare,
  plan,
  pretrain,
  finetune,
  merge,
  quantize,
  evaluate,
  generate,
];
