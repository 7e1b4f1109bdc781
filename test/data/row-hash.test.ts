import { describe, expect, it } from 'vitest';
import { RowHasher } from '../../src/data/stages/row-hash.ts';
import type { Example } from '../../src/data/types.ts';

const hasher = new RowHasher(1);
const hash = (example: Example, by = hasher) => Buffer.from(by.hash(example)).toString('hex');
const text = (value: string): Example => ({ type: 'text', text: value });

describe('the hash of a row', () => {
  it('does not see white space but as one space, of every kind that JavaScript knows', () => {
    const spaces = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit)).filter((c) => /\s/.test(c));
    expect(spaces).toHaveLength(25);
    for (const space of spaces)
      expect(hash(text(`${space}a${space}${space}b${space}`)), escape(space)).toBe(hash(text('a b')));
    expect(hash(text('ab'))).not.toBe(hash(text('a b')));
    // Joiners and controls are no white space.
    for (const other of ['\u200b', '\u200d', '\u180e', '\0', '\u0085']) {
      expect(hash(text(`a${other}b`))).not.toBe(hash(text('a b')));
    }
  });

  it('sees the seed, the type, roles, the borders of texts, tools and fields of a message', () => {
    const chat = (...turns: [string, string][]): Example => ({
      type: 'messages',
      messages: turns.map(([role, content]) => ({ role, content })),
    });
    const rows: Example[] = [
      text('a b'),
      chat(['user', 'a b']),
      chat(['user', 'a'], ['user', 'b']),
      chat(['user', 'a'], ['assistant', 'b']),
      { type: 'messages', messages: [{ role: 'user', content: 'a b', name: 'c' }] },
      { type: 'messages', messages: [{ role: 'user', content: 'a b' }], tools: [{ name: 'f' }] },
      { type: 'prompt-completion', prompt: 'a', completion: 'b' },
      { type: 'prompt-completion', prompt: 'a', completion: 'b', plain: true },
      { type: 'preference', prompt: 'a', chosen: 'b', rejected: 'c' },
      { type: 'preference', prompt: 'a', chosen: 'c', rejected: 'b' },
    ];
    expect(new Set([...rows.map((row) => hash(row)), hash(rows[0]!, new RowHasher(2))]).size).toBe(rows.length + 1);
    expect(hash(rows[0]!)).toBe(hash(text('a b'), new RowHasher(1)));
  });

  it('takes rows longer than its buffer, and short ones after them', () => {
    const long = 'word '.repeat(50_000);
    expect(hash(text(long))).toBe(hash(text(`\n${long}`)));
    expect(hash(text(long))).not.toBe(hash(text(`${long}.`)));
    expect(hash(text('a b'))).toBe(hash(text(' a  b')));
  });
});
