import { afterEach, describe, expect, it } from 'vitest';
import { generate, type GenerateOptions } from '../../src/infer/generate.ts';
import type { DecoderSession } from '../../src/infer/runner.ts';
import type { Tokenizer } from '../../src/tokenizer/types.ts';
import { openTiny, tiny } from './tiny.ts';

/** Ids 0 to 95 as the bytes of a text: even ids below 90 are letters; 90 and 91 are the two bytes of an accented e. */
const bytesOf = (id: number): number[] => (id === 90 ? [0xc3] : id === 91 ? [0xa9] : [33 + (id % 90)]);

/** A tokenizer of single bytes: just enough to drive generation. */
function byteTokenizer(): Tokenizer {
  return {
    implementation: 'llmkit byte-level BPE',
    fallbackReason: undefined,
    vocabSize: 96,
    bosTokenId: undefined,
    eosTokenId: undefined,
    padTokenId: undefined,
    specialTokens: {},
    chatTemplate: 'x',
    modelMaxLength: undefined,
    encode: (text, options) => {
      const ids = Array.from(Buffer.from(text), (byte) => (byte - 33 + 90) % 90);
      return Int32Array.from(options?.addSpecialTokens === false ? ids : [1, ...ids]);
    },
    encodeInto(text, out, options) {
      out.append(this.encode(text, options));
    },
    decode: (ids) => Buffer.from(Array.from(ids).flatMap(bytesOf)).toString(),
    tokenToId: () => undefined,
    idToToken: () => undefined,
    streamDecoder: () => {
      const decoder = new TextDecoder();
      return {
        push: (id) => decoder.decode(Uint8Array.from(bytesOf(id)), { stream: true }),
        flush: () => decoder.decode(),
      };
    },
    applyChatTemplate: (messages, options) =>
      messages.map(({ role, content }) => `${role}:${content}`).join('|') + (options?.addGenerationPrompt ? '|' : ''),
  };
}

const tokenizer = byteTokenizer();
/** The prompt of the fixture's greedy continuation, as a tokenizer that maps everything to it. */
const fixed: Tokenizer = { ...tokenizer, encode: () => Int32Array.from(tiny.ids.slice(0, 10)) };
const greedy: GenerateOptions = { maxNewTokens: 24, temperature: 0, eosTokenIds: [] };
const greedyText = tokenizer.decode(tiny.greedy);

let session: DecoderSession;
afterEach(() => session.dispose());

describe('generate', () => {
  it("streams transformers' greedy continuation and times it", async () => {
    session = openTiny();
    const pieces: string[] = [];
    const result = await generate(session, fixed, 'x', greedy, (piece) => pieces.push(piece));
    expect(result.ids).toEqual(tiny.greedy);
    expect(result.finishReason).toBe('length');
    expect(result.promptTokens).toBe(10);
    expect(pieces.length).toBeGreaterThan(10);
    expect(pieces.join('')).toBe(result.text);
    expect(result.text).toBe(greedyText);
    expect(result.decodeTokensPerSecond).toBeGreaterThan(0);
  });

  it('stops at an end token, which is in the ids and not in the text', async () => {
    session = openTiny();
    const end = tiny.greedy[6]!;
    const at = tiny.greedy.indexOf(end);
    const result = await generate(session, fixed, 'x', { ...greedy, eosTokenIds: [end] });
    expect(result.finishReason).toBe('eos');
    expect(result.ids).toEqual(tiny.greedy.slice(0, at + 1));
    expect(result.text).toBe(tokenizer.decode(tiny.greedy.slice(0, at)));
  });

  it('stops before a stop string and gives none of it out', async () => {
    session = openTiny();
    const stop = greedyText.slice(8, 11);
    const pieces: string[] = [];
    const result = await generate(session, fixed, 'x', { ...greedy, stop: [stop] }, (piece) => pieces.push(piece));
    expect(result.finishReason).toBe('stop');
    expect(result.text).toBe(greedyText.slice(0, greedyText.indexOf(stop)));
    expect(pieces.join('')).toBe(result.text);
  });

  it('stops when the context is full', async () => {
    session = openTiny({ contextLength: 14 });
    const result = await generate(session, fixed, 'x', greedy);
    expect(result.finishReason).toBe('context');
    expect(result.ids).toEqual(tiny.greedy.slice(0, 5));
  });

  it('refuses a prompt longer than the context, saying by how much', async () => {
    session = openTiny({ contextLength: 9 });
    await expect(generate(session, fixed, 'x', greedy)).rejects.toMatchObject({
      kind: 'data',
      where: 'prompt',
      got: '10',
    });
    const empty: Tokenizer = { ...tokenizer, encode: () => new Int32Array(0) };
    await expect(generate(session, empty, '', greedy)).rejects.toThrow(/no tokens/);
  });

  it('writes the special tokens of a plain prompt itself and leaves those of a chat to its template', async () => {
    session = openTiny();
    await generate(session, tokenizer, 'ab', { ...greedy, maxNewTokens: 1 });
    expect(Array.from(session.ids)).toEqual([1, 64, 65]);
    await generate(session, tokenizer, [{ role: 'u', content: 'a' }], { ...greedy, maxNewTokens: 1 });
    expect(Array.from(session.ids)).toEqual(Array.from(Buffer.from('u:a|'), (byte) => (byte - 33) % 90));
  });

  it('gives the same sampled text for the same seed, whatever came before', async () => {
    session = openTiny();
    const options: GenerateOptions = { maxNewTokens: 20, temperature: 1, topP: 0.95, seed: 4, eosTokenIds: [] };
    const first = await generate(session, fixed, 'x', options);
    await generate(session, tokenizer, 'something else', options);
    expect((await generate(session, fixed, 'x', options)).ids).toEqual(first.ids);
    expect((await generate(session, fixed, 'x', { ...options, seed: 5 })).ids).not.toEqual(first.ids);
  });

  it('reports log-probabilities of the model itself', async () => {
    session = openTiny();
    const { logProbs } = await generate(session, fixed, 'x', { ...greedy, maxNewTokens: 2, logProbs: 3 });
    expect(logProbs).toHaveLength(2);
    const row = tiny.logits[9]!;
    const expected = Math.max(...row) - Math.log(row.reduce((sum, l) => sum + Math.exp(l), 0));
    expect(logProbs![0]!.logProb).toBeCloseTo(expected, 4);
    expect(logProbs![0]!.top).toHaveLength(3);
    expect(logProbs![0]!.top[0]!.id).toBe(tiny.greedy[0]);
  });

  it('ends with an interruption when it is aborted', async () => {
    session = openTiny();
    const controller = new AbortController();
    const onText = (): void => controller.abort();
    await expect(generate(session, fixed, 'x', greedy, onText, controller.signal)).rejects.toMatchObject({
      kind: 'interrupted',
    });
    expect(session.length).toBeLessThan(13);
  });
});
