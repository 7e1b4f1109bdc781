import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PrepareConfig, prepareSchema } from '../../src/config/schema/prepare.ts';
import { countTargets } from '../../src/data/encode/encoder.ts';
import { addFit, checkFit, emptyFit, Fitter } from '../../src/data/encode/overlength.ts';
import type { Encoded, EncodedPair } from '../../src/data/types.ts';

type Policy = PrepareConfig['overlength'];

/** An example from its mask, e.g. `..xx`; its tokens are 1, 2, 3, ... */
function example(mask: string, id = 'r'): Encoded {
  const isTarget = Uint8Array.from(mask, (char) => Number(char === 'x'));
  return { id, inputIds: Int32Array.from(mask, (_, i) => i + 1), isTarget };
}
const maskOf = ({ isTarget }: Encoded) => Array.from(isTarget, (target) => (target === 1 ? 'x' : '.')).join('');
const config = (more: object): PrepareConfig => prepareSchema.parse({ max_length: 4, ...more });

function fit(policy: Policy, ...masks: string[]) {
  const fitter = new Fitter(4, policy);
  const kept = masks.flatMap((mask, i) => fitter.fit(example(mask, `f:${i + 1}`)));
  return { kept: kept.map(maskOf), tally: fitter.tally };
}

describe('fitting text and conversations', () => {
  const text = '.xxxxxx';
  const chat = '...xx..xxx';
  const longPrompt = '......xx';

  it('keeps what fits as it is', () => {
    const { kept, tally } = fit('error', '.xxx', '...x');
    expect(kept).toEqual(['.xxx', '...x']);
    expect(tally).toMatchObject({ overlength: { count: 0 }, untargeted: { count: 0 }, longest: 4, targetsLost: 0 });
  });

  it.each<Policy>(['error', 'drop'])('%s: leaves longer ones out, by name and length', (policy) => {
    const { kept, tally } = fit(policy, '.xx', text, chat);
    expect(kept).toEqual(['.xx']);
    expect(tally.overlength).toEqual({ count: 2, rows: ['f:2 (7 tokens)', 'f:3 (10 tokens)'] });
    expect(tally).toMatchObject({ longest: 10, targetsLost: 11, cutOff: { count: 0 } });
  });

  it('truncate: cuts at the end, and leaves out what lost its targets', () => {
    const { kept, tally } = fit('truncate', text, chat, longPrompt);
    expect(kept).toEqual(['.xxx', '...x']);
    expect(tally.cutOff).toEqual({ count: 1, rows: ['f:3'] });
    expect(tally.overlength.count).toBe(3);
    expect(tally.targetsLost).toBe(3 + 4 + 2);
  });

  it('split: pieces overlap in one token of context, and those without targets are left out', () => {
    const { kept, tally } = fit('split', text, chat, longPrompt);
    expect(kept).toEqual(['.xxx', '.xxx', '...x', '.x..', '.xxx', '...x', '.x']);
    expect(tally).toMatchObject({ targetsLost: 0, overlength: { count: 3 }, cutOff: { count: 0 } });
  });

  it('split loses no target, truncate keeps no row without one, nothing is longer than the limit', () => {
    const masks = fc
      .array(fc.constantFrom('.', 'x'), { minLength: 2, maxLength: 60 })
      .map((list) => `.${list.join('')}`);
    fc.assert(
      fc.property(masks, fc.integer({ min: 2, max: 20 }), (mask, limit) => {
        const row = example(mask);
        const targets = [...row.inputIds].filter((_, i) => row.isTarget[i] === 1);
        const pieces = new Fitter(limit, 'split').fit(row);
        expect(pieces.flatMap(({ inputIds, isTarget }) => [...inputIds].filter((_, i) => isTarget[i] === 1))).toEqual(
          targets,
        );
        for (const piece of [...pieces, ...new Fitter(limit, 'truncate').fit(example(mask))]) {
          expect(piece.inputIds.length).toBeLessThanOrEqual(limit);
          expect(countTargets(piece)).toBeGreaterThan(0);
          expect(piece.isTarget[0]).toBe(0);
          // Consecutive tokens of the row.
          expect([...piece.inputIds]).toEqual([...piece.inputIds].map((_, i) => piece.inputIds[0]! + i));
        }
      }),
    );
  });

  it('counts rows that never had a target', () => {
    const { kept, tally } = fit('split', '....', '.......');
    expect(kept).toEqual([]);
    expect(tally.untargeted).toEqual({ count: 2, rows: ['f:1', 'f:2'] });
    expect(tally.overlength.count).toBe(0);
  });
});

describe('fitting preference pairs', () => {
  const pair = (chosen: string, rejected: string): EncodedPair => ({
    id: 'p:1',
    chosen: example(chosen, 'p:1'),
    rejected: example(rejected, 'p:1'),
  });
  const fitPair = (policy: Policy, ...answers: [string, string]) => {
    const fitter = new Fitter(4, policy);
    const kept = fitter.fit(pair(...answers)).map(({ chosen, rejected }) => [maskOf(chosen), maskOf(rejected)]);
    return { kept, tally: fitter.tally };
  };

  it('is as long as its longer answer', () => {
    expect(fitPair('error', '..xx', '..x').kept).toEqual([['..xx', '..x']]);
    for (const policy of ['error', 'drop'] as const) {
      const { kept, tally } = fitPair(policy, '..x', '..xxxx');
      expect(kept).toEqual([]);
      expect(tally.overlength).toEqual({ count: 1, rows: ['p:1 (6 tokens)'] });
      expect(tally.targetsLost).toBe(5);
    }
  });

  it('truncate cuts the answers and keeps the prompt, as long as there is an answer in both', () => {
    expect(fitPair('truncate', '..xxx', '..x')).toMatchObject({ kept: [['..xx', '..x']], tally: { targetsLost: 1 } });
    expect(fitPair('truncate', '..xxx', '..xxxxxx').kept).toEqual([['..xx', '..xx']]);
    const { kept, tally } = fitPair('truncate', '....x', '....xx');
    expect(kept).toEqual([]);
    expect(tally).toMatchObject({ cutOff: { count: 1, rows: ['p:1'] }, targetsLost: 3 });
  });

  it('needs an answer in both', () => {
    const { kept, tally } = fitPair('truncate', '..xx', '..');
    expect(kept).toEqual([]);
    expect(tally.untargeted).toEqual({ count: 1, rows: ['p:1'] });
  });
});

describe('the errors once every row was seen', () => {
  it('say how many rows, which, and what would help', () => {
    const tally = emptyFit();
    for (const masks of [['.xxxxxx', '.x'], ['.xxxxxxxxx']]) addFit(tally, fit('error', ...masks).tally);
    expect(() => checkFit(tally, config({ overlength: 'drop' }))).not.toThrow();
    expect(() => checkFit(tally, config({ overlength: 'error' }))).toThrow(
      expect.objectContaining({
        kind: 'data',
        message: '2 rows are longer than max_length',
        where: 'f:1 (7 tokens), f:1 (10 tokens)',
        got: 'up to 10',
        hint: expect.stringContaining('prepare.max_length to 10'),
      }),
    );
  });

  it('refuse rows without an answer, unless such rows are to be skipped', () => {
    const { tally } = fit('drop', '...', '....');
    expect(() => checkFit(tally, config({}))).toThrow(
      expect.objectContaining({ message: '2 rows have no answer to train on', where: 'f:1, f:2' }),
    );
    expect(() => checkFit(tally, config({ malformed: 'skip' }))).not.toThrow();
  });
});
