import { afterEach, describe, expect, it } from 'vitest';
import type { DecoderSession } from '../../src/infer/runner.ts';
import { maxDifference, openTiny, tiny } from './tiny.ts';

/** fp32 sums in another order than PyTorch's: logits of size 10 differ by a few 1e-6. */
const TOLERANCE = 2e-5;

let session: DecoderSession;
afterEach(() => session.dispose());

describe('a decoder session', () => {
  it("computes transformers' logits at every position in one prefill", async () => {
    session = openTiny();
    const rows: Float32Array[] = [];
    await session.prefill(tiny.ids, {
      logitsFrom: 0,
      onLogits: (logits, first, count) => {
        expect([first, count]).toEqual([0, tiny.ids.length]);
        for (let i = 0; i < count; i++) rows.push(logits.slice(i * 96, (i + 1) * 96));
      },
    });
    expect(rows).toHaveLength(40);
    for (const [i, row] of rows.entries()) expect(maxDifference(row, tiny.logits[i]!)).toBeLessThan(TOLERANCE);
  });

  it('gives the same logits token by token, and in chunks of any size', async () => {
    session = openTiny({ prefillChunk: 7 });
    for (const [i, id] of tiny.ids.entries()) {
      expect(maxDifference(session.step(id), tiny.logits[i]!)).toBeLessThan(TOLERANCE);
    }
    session.reset();
    const seen: number[] = [];
    const last = await session.prefill(tiny.ids, {
      logitsFrom: 10,
      onLogits: (logits, first, count) => {
        for (let i = 0; i < count; i++) {
          seen.push(first + i);
          const row = logits.subarray(i * 96, (i + 1) * 96);
          expect(maxDifference(row, tiny.logits[first + i]!)).toBeLessThan(TOLERANCE);
        }
      },
    });
    expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => i + 10));
    expect(maxDifference(last, tiny.logits[39]!)).toBeLessThan(TOLERANCE);
  });

  it("follows transformers' greedy generation", async () => {
    session = openTiny();
    let logits = await session.prefill(tiny.ids.slice(0, 10));
    const out: number[] = [];
    for (const _ of tiny.greedy) {
      const id = logits.indexOf(Math.max(...logits));
      out.push(id);
      logits = session.step(id);
    }
    expect(out).toEqual(tiny.greedy);
  });

  it('runs only what differs from the tokens it already holds', async () => {
    session = openTiny();
    await session.prefill(tiny.ids.slice(0, 20));
    const changed = [...tiny.ids.slice(0, 15), 1, 2, 3];
    const reused = (await session.prefill(changed)).slice();
    expect(session.ids).toEqual(Int32Array.from(changed));
    const fresh = await session.prefill(changed, { reuse: false });
    expect(maxDifference(reused, fresh)).toBeLessThan(TOLERANCE);
    // The same tokens again: the last one still has to run, for its logits.
    expect(maxDifference(await session.prefill(changed), fresh)).toBeLessThan(TOLERANCE);
  });

  it('goes on from a shorter length after truncate', async () => {
    session = openTiny();
    await session.prefill(tiny.ids);
    session.truncate(12);
    expect(maxDifference(await session.append(tiny.ids.slice(12)), tiny.logits[39]!)).toBeLessThan(TOLERANCE);
  });

  it('grows its cache without losing what is in it', async () => {
    session = openTiny({ initialCapacity: 8 });
    const bytesPerToken = 2 * 2 * 16 * 4; // layers, key and value, head_dim, f32
    expect(session.cacheBytes).toBe(0);
    for (const [i, id] of tiny.ids.entries()) {
      expect(maxDifference(session.step(id), tiny.logits[i]!)).toBeLessThan(TOLERANCE);
      const capacity = i < 8 ? 8 : i < 16 ? 16 : i < 32 ? 32 : 64;
      expect(session.cacheBytes).toBe(capacity * bytesPerToken);
    }
  });

  it('refuses more tokens than the context, and ids outside the vocabulary, before it changes anything', async () => {
    session = openTiny({ contextLength: 16 });
    await session.prefill(tiny.ids.slice(0, 16));
    await expect(session.prefill(tiny.ids.slice(0, 17))).rejects.toMatchObject({ kind: 'data', got: '17' });
    expect(() => session.step(1)).toThrow(/context/);
    await expect(session.prefill([1, 96])).rejects.toThrow(/vocabulary/);
    await expect(session.prefill([])).rejects.toThrow(/at least one token/);
    expect(session.length).toBe(16);
  });

  it('stops between chunks when it is aborted', async () => {
    session = openTiny({ prefillChunk: 4 });
    const controller = new AbortController();
    const work = session.prefill(tiny.ids, { signal: controller.signal });
    controller.abort();
    await expect(work).rejects.toMatchObject({ kind: 'interrupted' });
    expect(session.length).toBe(4);
  });
});
