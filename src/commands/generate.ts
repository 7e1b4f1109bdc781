import { displayPath, type GenerateConfig, type LoadedConfig } from '../config/index.ts';
import { generateSchema } from '../config/schema/generate.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, CommandResult } from '../core/events.ts';
import { formatDuration } from '../core/format.ts';
import { chooseModel, type ModelFlags } from '../infer/choose-model.ts';
import { type FinishReason, generate, type GenerateOptions, type Generation } from '../infer/generate.ts';
import { openModel } from '../infer/load.ts';
import { type ChatMessage, loadTokenizer, type Tokenizer } from '../tokenizer/index.ts';

export interface GenerateCommandOptions extends Omit<ModelFlags, 'cwd'> {
  /** Without one, `model` and `prompt` are needed and the other settings have their defaults. */
  config?: LoadedConfig;
  prompt?: string;
  system?: string;
  /** Continue the prompt as it is, although the model has a chat template. */
  raw?: boolean;
  maxNewTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  seed?: number;
  threads?: number | undefined;
  /** Where ONNX models are kept. */
  cacheDir?: string | undefined;
}

const ENDS: Record<FinishReason, string> = {
  eos: 'the model ended',
  stop: 'a stop text came',
  length: 'max_new_tokens reached',
  context: "the model's context is full",
};

/** `generate`: continues a prompt, or answers it where the model has a chat template, as `text` events. */
export async function run(options: GenerateCommandOptions, context: CommandContext): Promise<CommandResult> {
  const { config } = options;
  const settings: Omit<GenerateConfig, 'seed'> & { seed?: number | undefined } =
    config?.config.generate ?? generateSchema.parse({});
  const text = options.prompt ?? settings.prompt;
  if (text === undefined) {
    throw new LlmkitError('usage', 'there is no prompt', { hint: 'give --prompt "..." or set generate.prompt' });
  }
  const choice = chooseModel(config, { ...options, cwd: context.cwd });
  const shown = (path: string): string => displayPath(path, context.cwd);
  const name = choice.adapter === undefined ? shown(choice.dir) : `${shown(choice.dir)} with ${shown(choice.adapter)}`;
  context.emit({ type: 'start', command: 'generate', message: `generating with ${name}` });

  const tokenizer = loadTokenizer(choice.tokenizerDir);
  const prompt = asPrompt(tokenizer, text, options.system ?? settings.system, options.raw === true);
  const { adapter } = choice;
  const model = await openModel(choice.dir, { adapter, threads: options.threads, cacheDir: options.cacheDir });
  try {
    if (!model.onnx.reused) {
      const message = `made the ONNX model in ${formatDuration(model.onnx.buildMs)}; it is kept for next time`;
      context.emit({ type: 'note', message });
    }
    const generation = await generate(
      model.session,
      tokenizer,
      prompt,
      sampling(options, settings, model.eosTokenIds),
      (piece) => context.emit({ type: 'text', text: piece }),
      context.signal,
    );
    return report(generation, choice.dir, adapter);
  } finally {
    model.dispose();
  }
}

function asPrompt(
  tokenizer: Tokenizer,
  text: string,
  system: string | undefined,
  raw: boolean,
): string | ChatMessage[] {
  if (raw || tokenizer.chatTemplate === undefined) {
    if (system === undefined) return text;
    throw new LlmkitError('usage', 'a system message needs a chat template', {
      where: 'generate.system',
      hint: raw ? 'leave out --raw' : 'the model has none: put the instruction into the prompt',
    });
  }
  const user = { role: 'user', content: text };
  return system === undefined ? [user] : [{ role: 'system', content: system }, user];
}

function sampling(
  options: GenerateCommandOptions,
  settings: Omit<GenerateConfig, 'seed'> & { seed?: number | undefined },
  eosTokenIds: readonly number[],
): GenerateOptions {
  return {
    maxNewTokens: options.maxNewTokens ?? settings.max_new_tokens,
    temperature: options.temperature ?? settings.temperature,
    topK: options.topK ?? settings.top_k,
    topP: options.topP ?? settings.top_p,
    repetitionPenalty: settings.repetition_penalty,
    stop: settings.stop,
    seed: options.seed ?? settings.seed ?? 0,
    eosTokenIds,
  };
}

function report(generation: Generation, model: string, adapter: string | undefined): CommandResult {
  const { ids, finishReason, promptTokens, prefillMs, decodeTokensPerSecond, prefillTokensPerSecond } = generation;
  const speed = Number.isNaN(decodeTokensPerSecond) ? '' : `, ${decodeTokensPerSecond.toFixed(1)} tokens/s`;
  const prefill = `prompt of ${promptTokens} in ${formatDuration(prefillMs)}`;
  return {
    ok: true,
    summary: `${ids.length} tokens${speed} (${prefill}); ${ENDS[finishReason]}`,
    data: {
      model,
      adapter: adapter ?? null,
      text: generation.text,
      ids,
      finish_reason: finishReason,
      prompt_tokens: promptTokens,
      prefill_ms: prefillMs,
      prefill_tokens_per_second: prefillTokensPerSecond,
      decode_ms: generation.decodeMs,
      decode_tokens_per_second: Number.isNaN(decodeTokensPerSecond) ? null : decodeTokensPerSecond,
    },
  };
}
