const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** In pieces, since a very long match overflows the engine's stack. */
const PLAIN = /(?:[^"\\\p{Cc}]|[\u007f-\u009f]){1,9999}/uy;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const LITERAL = /true|false|null/y;
const SPACE = /[ \t\n\r]*/y;

/**
 * Where text stops being JSON, as an offset in UTF-16 units: JSON.parse's message does not say it in every Node.
 * The text's length when it ends too early; undefined when it is valid. Not for the fast path: call it after
 * JSON.parse has failed.
 */
export function jsonErrorOffset(text: string): number | undefined {
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  /** Stops at the character that breaks the string, or at the end of the text when the quote is never closed. */
  const takeString = (): boolean => {
    if (text[at] !== '"') return false;
    at++;
    while (take(PLAIN) || take(ESCAPE));
    if (text[at] !== '"') return false;
    at++;
    return true;
  };
  /** What may come next, innermost last: in an array, in an object, or before a value. */
  const open: ('[' | '{')[] = [];
  let state: 'value' | 'first' | 'key' | 'after' = 'value';
  for (;;) {
    take(SPACE);
    const char = text[at];
    if (state === 'after') {
      const inside = open.at(-1);
      if (inside === undefined) return at === text.length ? undefined : at;
      if (char === ',') state = inside === '[' ? 'value' : 'key';
      else if (char === (inside === '[' ? ']' : '}')) open.pop();
      else return at;
      at++;
    } else if (state === 'first' && char === (open.at(-1) === '[' ? ']' : '}')) {
      open.pop();
      at++;
      state = 'after';
    } else if (state === 'key' || (state === 'first' && open.at(-1) === '{')) {
      if (!takeString()) return at;
      take(SPACE);
      if (text[at] !== ':') return at;
      at++;
      state = 'value';
    } else if (char === '[' || char === '{') {
      open.push(char);
      at++;
      state = 'first';
    } else {
      if (!(take(LITERAL) || take(NUMBER) || takeString())) return at;
      state = 'after';
    }
  }
}
