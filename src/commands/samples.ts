import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainingConfig } from '../config/index.ts';
import { generate } from '../infer/generate.ts';
import { openModel } from '../infer/load.ts';
import { loadTokenizer } from '../tokenizer/index.ts';
import type { TrainingRunOptions } from '../train/run.ts';

interface Sampling {
  config: Pick<TrainingConfig, 'sample_prompts' | 'sample_max_new_tokens'>;
  tokenizerFolder: string;
  threads: number | undefined;
  signal: AbortSignal;
  /**
   * Writes the weights of the moment into an empty folder: a checkpoint, or an adapter.
   *
   * @returns the base of an adapter; undefined where the folder is a model by itself
   */
  write: (folder: string, trained: ReadonlyMap<string, Float32Array>) => Promise<string | undefined>;
}

/**
 * Answers of the model in training to `sample_prompts`, through the inference engine and always with the likeliest token.
 * The model of the moment is written to a temporary folder for it, so that each time takes about as long as `generate`
 * takes on a new model.
 */
export function samplerOf({ config, write, ...rest }: Sampling): Pick<TrainingRunOptions, 'sample'> {
  const { sample_prompts: prompts, sample_max_new_tokens: maxNewTokens } = config;
  if (prompts.length === 0) return {};
  return {
    sample: async (trained) => {
      const folder = mkdtempSync(join(tmpdir(), 'llmkit-samples-'));
      try {
        const model = join(folder, 'model');
        const base = await write(model, trained);
        const opened = await openModel(base ?? model, {
          ...(base === undefined ? {} : { adapter: model }),
          threads: rest.threads,
          cacheDir: join(folder, 'onnx'),
        });
        try {
          const tokenizer = loadTokenizer(rest.tokenizerFolder);
          const answers: { prompt: string; text: string }[] = [];
          for (const prompt of prompts) {
            const asked = tokenizer.chatTemplate === undefined ? prompt : [{ role: 'user', content: prompt }];
            const settings = { maxNewTokens, temperature: 0, topK: 0, topP: 1, repetitionPenalty: 1, seed: 0 };
            const { eosTokenIds } = opened;
            const { text } = await generate(
              opened.session,
              tokenizer,
              asked,
              { ...settings, eosTokenIds },
              undefined,
              rest.signal,
            );
            answers.push({ prompt, text });
          }
          return answers;
        } finally {
          opened.dispose();
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}
