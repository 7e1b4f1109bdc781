import { afterEach, describe, expect, it } from 'vitest';
import type { DecoderSession } from '../../src/infer/runner.ts';
import { scoreContinuations, scoreText, scoreTokens, slidingWindows } from '../../src/infer/score.ts';
import { openTiny, tiny } from './tiny.ts';

let session: DecoderSession;
afterEach(() => session?.dispose());

const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe('scoring tokens', () => {
  it("sums transformers' log-probabilities and counts where the model agrees", async () => {
    session = openTiny();
    const score = await scoreTokens(session, tiny.ids, 1);
    expect(Math.abs(score.sumLogProb - total(tiny.targetLogProbs))).toBeLessThan(1e-4);
    expect(score.tokens).toBe(39);
    const agreed = tiny.logits.slice(0, -1).filter((row, i) => row.indexOf(Math.max(...row)) === tiny.ids[i + 1]);
    expect(score.greedyMatches).toBe(agreed.length);
  });

  it('scores only from the position asked for', async () => {
    session = openTiny();
    const score = await scoreTokens(session, tiny.ids, 30);
    expect(score.tokens).toBe(10);
    expect(Math.abs(score.sumLogProb - total(tiny.targetLogProbs.slice(29)))).toBeLessThan(1e-4);
    expect(await scoreTokens(session, tiny.ids, 40)).toEqual({ sumLogProb: 0, tokens: 0, greedyMatches: 0 });
  });

  it('gives a score that neither the chunk size nor earlier work changes by more than 1e-5 a token', async () => {
    session = openTiny();
    const whole = await scoreTokens(session, tiny.ids, 5);
    await scoreTokens(session, tiny.ids.slice(0, 20), 1);
    expect(await scoreTokens(session, tiny.ids, 5)).toEqual(whole);
    for (const prefillChunk of [1, 3, 16]) {
      session.dispose();
      session = openTiny({ prefillChunk });
      const score = await scoreTokens(session, tiny.ids, 5);
      expect(Math.abs(score.sumLogProb - whole.sumLogProb) / score.tokens).toBeLessThan(1e-5);
    }
  });

  it('scores continuations of one context as if each were alone', async () => {
    session = openTiny({ prefillChunk: 4 });
    const context = tiny.ids.slice(0, 9);
    const continuations = [tiny.ids.slice(9, 20), [5], [], [7, 8, 9], tiny.ids.slice(9, 11)];
    const scores = await scoreContinuations(session, context, continuations);
    for (const [i, continuation] of continuations.entries()) {
      const alone = await scoreTokens(session, [...context, ...continuation], 9);
      expect(scores[i]!.tokens).toBe(continuation.length);
      expect(scores[i]!.greedyMatches).toBe(alone.greedyMatches);
      expect(Math.abs(scores[i]!.sumLogProb - alone.sumLogProb)).toBeLessThan(1e-5 * Math.max(1, continuation.length));
    }
  });

  it('scores a text longer than a window in windows', async () => {
    session = openTiny();
    const windows: number[] = [];
    const options = { window: 16, stride: 8, onWindow: (_: unknown, w: { begin: number }) => windows.push(w.begin) };
    const score = await scoreText(session, tiny.ids, options);
    expect(windows).toEqual([0, 8, 16, 24]);
    expect(score.tokens).toBe(39);
    const parts = [
      await scoreTokens(session, tiny.ids.slice(0, 16), 1),
      await scoreTokens(session, tiny.ids.slice(8, 24), 8),
      await scoreTokens(session, tiny.ids.slice(16, 32), 8),
      await scoreTokens(session, tiny.ids.slice(24, 40), 8),
    ];
    expect(score.sumLogProb).toBeCloseTo(total(parts.map((part) => part.sumLogProb)), 10);
  });
});

describe('sliding windows', () => {
  it('score every token but the first exactly once, for any length, window and stride', () => {
    for (let length = 0; length < 40; length++) {
      for (const [window, stride] of [
        [2, 1],
        [2, 2],
        [8, 8],
        [8, 3],
        [8, 1],
        [50, 7],
      ] as const) {
        const scored: number[] = [];
        for (const { begin, end, scoreFrom } of slidingWindows(length, window, stride)) {
          expect(end - begin).toBeLessThanOrEqual(window);
          expect(scoreFrom).toBeGreaterThan(begin);
          for (let i = scoreFrom; i < end; i++) scored.push(i);
        }
        expect(scored).toEqual(Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1));
      }
    }
  });

  it('refuse a stride longer than the window', () => {
    expect(() => [...slidingWindows(10, 4, 5)]).toThrow(/stride/);
  });
});
