/**
 * Python's strip methods for Jinja templates. The library's take no argument and strip JavaScript's white space, so
 * `content.lstrip('\n')` (Qwen's templates) would also eat indentation. A template's calls of them are turned into
 * calls of the functions below.
 */

interface SyntaxNode {
  type?: unknown;
  [field: string]: unknown;
}

const METHODS = new Set(['strip', 'lstrip', 'rstrip']);
const PREFIX = 'python_';

/** Rewrites `x.lstrip(y)` to `python_lstrip(x, y)` everywhere below a syntax node, in place. */
export function rewriteStrips(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  if (Array.isArray(node) || node instanceof Map) {
    for (const item of node) rewriteStrips(item);
    return;
  }
  const { type, callee, args } = node as SyntaxNode;
  if (type === 'CallExpression' && Array.isArray(args)) {
    const { type: calleeType, computed, object, property } = callee as SyntaxNode;
    const name = (property as SyntaxNode | undefined)?.['value'];
    if (calleeType === 'MemberExpression' && computed !== true && METHODS.has(String(name))) {
      const identifier = property as SyntaxNode;
      identifier['value'] = `${PREFIX}${String(name)}`;
      (node as SyntaxNode)['callee'] = identifier;
      args.unshift(object);
    }
  }
  for (const child of Object.values(node)) rewriteStrips(child);
}

/** What str.isspace() holds true for. */
const SPACE =
  '\t\n\v\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';

function strip(text: string, chars: string | null | undefined, left: boolean, right: boolean): string {
  const drop = new Set(chars ?? SPACE);
  const points = [...text];
  let start = 0;
  let end = points.length;
  if (left) while (start < end && drop.has(points[start]!)) start++;
  if (right) while (end > start && drop.has(points[end - 1]!)) end--;
  return points.slice(start, end).join('');
}

/** The functions that rewritten templates call. */
export const STRIP_FUNCTIONS = {
  [`${PREFIX}strip`]: (text: string, chars?: string | null): string => strip(text, chars, true, true),
  [`${PREFIX}lstrip`]: (text: string, chars?: string | null): string => strip(text, chars, true, false),
  [`${PREFIX}rstrip`]: (text: string, chars?: string | null): string => strip(text, chars, false, true),
};
