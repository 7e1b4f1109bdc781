import { describe, expect, it } from 'vitest';
import { StopStrings } from '../../src/infer/stop.ts';

/** Feeds the text in pieces and collects what comes out. */
function run(stops: string[], pieces: string[]): { text: string; stopped: boolean; early: string } {
  const watcher = new StopStrings(stops);
  const early = pieces.map((piece) => watcher.push(piece)).join('');
  return { early, text: early + watcher.flush(), stopped: watcher.stopped };
}

describe('stop strings', () => {
  it('end the text before the earliest of them, wherever the pieces are cut', () => {
    const text = 'one two three\n\nUser: four';
    for (let size = 1; size <= text.length; size++) {
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(run(['\n\nUser:', 'four'], pieces)).toMatchObject({ text: 'one two three', stopped: true });
      expect(run(['absent', '\n\nSystem:'], pieces)).toMatchObject({ text, stopped: false });
    }
  });

  it('hold back only what might be the beginning of one', () => {
    expect(run(['stop'], ['a st'])).toMatchObject({ early: 'a ', text: 'a st' });
    expect(run(['stop'], ['a st', 'ar'])).toMatchObject({ early: 'a star' });
    expect(run(['aab'], ['aa', 'ab'])).toMatchObject({ early: 'a', stopped: true });
  });

  it('give everything at once when there are none', () => {
    expect(run([], ['a', 'b'])).toEqual({ early: 'ab', text: 'ab', stopped: false });
    expect(run([''], ['a', 'b']).text).toBe('ab');
  });
});
