const TOKEN =
  /[ \t\r\n]*(?:([{}[\],:])|("(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/uy;

/**
 * Where a text stops being JSON (RFC 8259): the index of the first character that cannot follow what came before; the
 * length of the text when it only ends too early. JSON.parse rejects more than it says: many of its messages have no
 * position.
 */
export function jsonErrorPosition(text: string): number {
  const open: string[] = [];
  let expected: 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end' = 'value';
  let at = 0;
  for (;;) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    const start = at + /^[ \t\r\n]*/.exec(text.slice(at))![0].length;
    if (match === null) return start;
    const [, punctuation, string, scalar] = match;
    const container = open.at(-1);
    if (punctuation === '{' || punctuation === '[') {
      if (!expected.startsWith('value')) return start;
      open.push(punctuation);
      expected = punctuation === '{' ? 'key or }' : 'value or ]';
    } else if (punctuation === '}' || punctuation === ']') {
      const empty = expected === (punctuation === '}' ? 'key or }' : 'value or ]');
      if (container !== (punctuation === '}' ? '{' : '[') || (!empty && expected !== ', or end')) return start;
      open.pop();
      expected = ', or end';
    } else if (punctuation === ':') {
      if (expected !== ':') return start;
      expected = 'value';
    } else if (punctuation === ',') {
      if (expected !== ', or end' || container === undefined) return start;
      expected = container === '{' ? 'key' : 'value';
    } else if (string !== undefined && expected.startsWith('key')) {
      expected = ':';
    } else if (expected.startsWith('value') && (string ?? scalar) !== undefined) {
      expected = ', or end';
    } else {
      return start;
    }
    at = TOKEN.lastIndex;
  }
}
