import { LlmkitError } from '../core/errors.ts';
import type { ChatMessage, Tokenizer } from '../tokenizer/types.ts';
import type { DecoderSession } from './runner.ts';
import { logProb, Sampler, type SamplerOptions, topLogProbs } from './sampler.ts';
import { StopStrings } from './stop.ts';
import { checkpoint } from './yield.ts';

export interface GenerateOptions extends SamplerOptions {
  /** At most this many new tokens. */
  maxNewTokens: number;
  /** Texts that end generation; they are not part of the result. */
  stop?: readonly string[];
  /** Ids that end generation. */
  eosTokenIds: readonly number[];
  /** Give this many alternatives with each token's log-probability; 0 gives the token's own only. */
  logProbs?: number;
  /** Keep special tokens in the text. */
  keepSpecialTokens?: boolean;
}

/** eos: an end token. stop: a stop string. length: max_new_tokens. context: the model's context is full. */
export type FinishReason = 'eos' | 'stop' | 'length' | 'context';

export interface TokenLogProb {
  id: number;
  /** Of the model's own distribution: before penalty, temperature and truncation. */
  logProb: number;
  top: { id: number; logProb: number }[];
}

export interface Generation {
  text: string;
  /** Tokens generated, an end token included. */
  ids: number[];
  finishReason: FinishReason;
  promptTokens: number;
  logProbs: TokenLogProb[] | undefined;
  /** Until the first token's logits. */
  prefillMs: number;
  /** Generating all but the first token. */
  decodeMs: number;
  prefillTokensPerSecond: number;
  /** NaN for a single token. */
  decodeTokensPerSecond: number;
}

/**
 * A prompt as ids: text gets the tokenizer's special tokens, messages go through the chat template, which writes its own.
 *
 * @throws LlmkitError('data') when there is no chat template or it does not render.
 */
export function encodePrompt(tokenizer: Tokenizer, prompt: string | readonly ChatMessage[]): Int32Array {
  if (typeof prompt === 'string') return tokenizer.encode(prompt);
  const text = tokenizer.applyChatTemplate([...prompt], { addGenerationPrompt: true });
  return tokenizer.encode(text, { addSpecialTokens: false });
}

/**
 * Continues a prompt, giving the text out as it comes, whole characters only.
 *
 * @param onText called with each piece of new text, in order.
 * @throws LlmkitError('data') for a prompt that is empty or leaves no room in the context; 'interrupted' on abort.
 */
export async function generate(
  session: DecoderSession,
  tokenizer: Tokenizer,
  prompt: string | readonly ChatMessage[],
  options: GenerateOptions,
  onText: (text: string) => void = () => undefined,
  signal?: AbortSignal,
): Promise<Generation> {
  const promptIds = encodePrompt(tokenizer, prompt);
  checkPrompt(promptIds, session.contextLength);
  const sampler = new Sampler(options);
  const decoder = tokenizer.streamDecoder({ skipSpecialTokens: options.keepSpecialTokens !== true });
  const stops = new StopStrings(options.stop ?? []);
  const ends = new Set(options.eosTokenIds);
  const penalized = (options.repetitionPenalty ?? 1) === 1 ? undefined : new Set(promptIds);
  const ids: number[] = [];
  const logProbs: TokenLogProb[] | undefined = options.logProbs === undefined ? undefined : [];
  let text = '';
  const give = (piece: string): void => {
    if (piece === '') return;
    text += piece;
    onText(piece);
  };

  const begin = performance.now();
  let logits = await session.prefill(promptIds, { signal });
  const prefillMs = performance.now() - begin;
  let finishReason: FinishReason | undefined;
  while (finishReason === undefined) {
    const id = sampler.sample(logits, penalized);
    logProbs?.push({ id, logProb: logProb(logits, id), top: topLogProbs(logits, options.logProbs ?? 0) });
    ids.push(id);
    penalized?.add(id);
    if (ends.has(id)) {
      finishReason = 'eos';
      break;
    }
    give(stops.push(decoder.push(id)));
    if (stops.stopped) finishReason = 'stop';
    else if (ids.length >= options.maxNewTokens) finishReason = 'length';
    else if (session.length >= session.contextLength) finishReason = 'context';
    else {
      await checkpoint(signal);
      logits = session.step(id);
    }
  }
  if (!stops.stopped) {
    give(stops.push(decoder.flush()));
    give(stops.flush());
  }
  const decodeMs = performance.now() - begin - prefillMs;
  return {
    text,
    ids,
    finishReason,
    promptTokens: promptIds.length,
    logProbs,
    prefillMs,
    decodeMs,
    prefillTokensPerSecond: (promptIds.length / prefillMs) * 1000,
    decodeTokensPerSecond: ids.length > 1 ? ((ids.length - 1) / decodeMs) * 1000 : Number.NaN,
  };
}

function checkPrompt(ids: Int32Array, contextLength: number): void {
  if (ids.length === 0) {
    throw new LlmkitError('data', 'the prompt has no tokens', {
      where: 'prompt',
      hint: 'give a prompt with some text',
    });
  }
  if (ids.length > contextLength) {
    throw new LlmkitError('data', "the prompt does not fit the model's context", {
      where: 'prompt',
      expected: `at most ${contextLength} tokens`,
      got: `${ids.length}`,
      hint: 'shorten the prompt, or use a model with a longer context',
    });
  }
}
