import { assert, constantFrom, json as anyJson, nat, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonErrorOffset } from '../../src/core/json-error.ts';

describe('jsonErrorOffset', () => {
  test.each([
    ['', 0],
    ['{"a": ,}', 6],
    ['{"a" 1}', 5],
    ['[1, 2', 5],
    ['[1, 2,]', 6],
    ['{"a": 1,}', 8],
    ['{"a": "x\ny"}', 8],
    ['{"a": "x\\q"}', 8],
    ['{"a": "never closed', 19],
    ['{a: 1}', 1],
    ['nul', 0],
    ['[01]', 2],
    ['1 2', 2],
    ['[]]', 2],
    ['{"a": [}', 7],
    ["{'a': 1}", 1],
  ])('%j breaks at %d', (text, offset) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    expect(jsonErrorOffset(text)).toBe(offset);
  });

  test('agrees with JSON.parse on what is JSON', () => {
    assert(
      property(anyJson(), nat(), constantFrom('', ',', '"', '}', ']', '1', '\\', ' '), (json, at, insert) => {
        expect(jsonErrorOffset(json)).toBeUndefined();
        const cut = at % (json.length + 1);
        const broken = json.slice(0, cut) + insert + json.slice(cut);
        let valid = true;
        try {
          JSON.parse(broken);
        } catch {
          valid = false;
        }
        expect(jsonErrorOffset(broken) === undefined).toBe(valid);
      }),
    );
  });

  test('a long string does not exhaust the stack', () => {
    expect(jsonErrorOffset(`["${'x\\n'.repeat(100_000)}", ]`)).toBe(300_005);
  });
});
