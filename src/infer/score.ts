import { LlmkitError } from '../core/errors.ts';
import type { DecoderSession } from './runner.ts';

/** How likely a model finds a run of tokens. */
export interface TokenScore {
  /** Sum of natural log-probabilities. */
  sumLogProb: number;
  /** Tokens scored. */
  tokens: number;
  /** How many of them the model would have chosen itself. */
  greedyMatches: number;
}

export interface ScoreOptions {
  signal?: AbortSignal | undefined;
}

/**
 * Scores ids[fromPosition..] given everything before each of them. Logits exist for one chunk at a time. The score depends
 * on the ids alone: nothing in the cache is used again, and chunks begin at the same positions every time.
 *
 * @param fromPosition at least 1: the first token has nothing before it.
 * @throws LlmkitError('data') when the ids are more than the context, see `DecoderSession.prefill`.
 */
export async function scoreTokens(
  session: DecoderSession,
  ids: ArrayLike<number>,
  fromPosition: number,
  options: ScoreOptions = {},
): Promise<TokenScore> {
  if (fromPosition < 1)
    throw new LlmkitError('bug', 'scoring begins at position 1 or later', { got: `${fromPosition}` });
  const score = emptyScore();
  if (fromPosition >= ids.length) return score;
  // The last token is a target only: nothing needs its logits.
  await session.prefill(slice(ids, 0, ids.length - 1), {
    logitsFrom: fromPosition - 1,
    reuse: false,
    signal: options.signal,
    onLogits: (logits, first, rows) => addRows(score, session, logits, slice(ids, first + 1, first + 1 + rows)),
  });
  return score;
}

/**
 * Scores each continuation after the same context, which runs once: what multiple-choice tasks need. Each score is that of
 * the continuation alone and does not depend on the others.
 *
 * @param context at least one token.
 */
export async function scoreContinuations(
  session: DecoderSession,
  context: ArrayLike<number>,
  continuations: readonly ArrayLike<number>[],
  options: ScoreOptions = {},
): Promise<TokenScore[]> {
  const { signal } = options;
  const first = (await session.prefill(context, { reuse: false, signal })).slice();
  const scores: TokenScore[] = [];
  for (const ids of continuations) {
    const score = emptyScore();
    scores.push(score);
    if (ids.length === 0) continue;
    addRows(score, session, first, slice(ids, 0, 1));
    if (ids.length === 1) continue;
    session.truncate(context.length);
    await session.append(slice(ids, 0, ids.length - 1), {
      logitsFrom: context.length,
      signal,
      onLogits: (logits, at, rows) => {
        const from = at - context.length + 1;
        addRows(score, session, logits, slice(ids, from, from + rows));
      },
    });
  }
  return scores;
}

/** A stretch of a long text run at once: tokens [begin, end), of which those from `scoreFrom` on are scored. */
export interface ScoreWindow {
  begin: number;
  end: number;
  scoreFrom: number;
}

/**
 * Cuts a long text into overlapping windows so that each token but the first is scored exactly once. Every window but the
 * first is as long as allowed and scores its last `stride` tokens (the last one what is left), as in lm-eval's rolling
 * windows.
 *
 * @param stride tokens scored a window; `window` stands for `window - 1`, since a window's first token has nothing
 *   before it: the fastest way, and the one with the least context.
 */
export function* slidingWindows(length: number, window: number, stride: number): Generator<ScoreWindow> {
  if (window < 2 || stride < 1 || stride > window) {
    throw new LlmkitError('usage', 'windows need 1 <= stride <= window, and at least 2 tokens', {
      got: `window ${window}, stride ${stride}`,
    });
  }
  let scored = 1;
  for (let end = Math.min(window, length); scored < length; end = Math.min(scored + stride, length)) {
    if (scored > 1) end = Math.min(end, scored + window - 1);
    yield { begin: Math.max(0, end - window), end, scoreFrom: scored };
    scored = end;
  }
}

/** Scores a text of any length in windows; `onWindow` is told after each one. */
export async function scoreText(
  session: DecoderSession,
  ids: ArrayLike<number>,
  options: ScoreOptions & {
    window: number;
    stride: number;
    onWindow?: (score: TokenScore, window: ScoreWindow) => void;
  },
): Promise<TokenScore> {
  const total = emptyScore();
  for (const window of slidingWindows(ids.length, options.window, options.stride)) {
    const { begin, end, scoreFrom } = window;
    const score = await scoreTokens(session, slice(ids, begin, end), scoreFrom - begin, options);
    add(total, score);
    options.onWindow?.(score, window);
  }
  return total;
}

function emptyScore(): TokenScore {
  return { sumLogProb: 0, tokens: 0, greedyMatches: 0 };
}

function add(total: TokenScore, score: TokenScore): void {
  total.sumLogProb += score.sumLogProb;
  total.tokens += score.tokens;
  total.greedyMatches += score.greedyMatches;
}

function addRows(score: TokenScore, session: DecoderSession, logits: Float32Array, targets: Int32Array): void {
  const { logProbs, greedy } = session.scorer.score(logits, targets);
  for (let i = 0; i < targets.length; i++) {
    score.sumLogProb += logProbs[i]!;
    score.greedyMatches += greedy[i]!;
  }
  score.tokens += targets.length;
}

function slice(ids: ArrayLike<number>, from: number, to: number): Int32Array {
  const out = new Int32Array(to - from);
  for (let i = from; i < to; i++) out[i - from] = ids[i]!;
  return out;
}
