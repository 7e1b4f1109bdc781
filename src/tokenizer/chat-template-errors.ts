import { Template } from '@huggingface/jinja';

export interface TemplatePlace {
  line: number;
  column: number;
  tag: string;
  message: string;
}

interface Tag {
  text: string;
  index: number;
  kind: string;
  keyword: string;
}

/** Tags that open a block, and those that belong inside one. */
const BLOCKS = new Set(['if', 'for', 'macro', 'call', 'filter', 'generation']);
const INNER = new Set(['else', 'elif']);

/**
 * Finds the place of a syntax error, which the Jinja library does not tell: the first tag that is not closed, does not
 * parse by itself, or ends a block that was not begun. Undefined when every tag looks right.
 */
export function locateSyntaxError(source: string): TemplatePlace | undefined {
  const open: Tag[] = [];
  const found = (tag: Tag, message: string): TemplatePlace => {
    const before = source.slice(0, tag.index);
    const column = tag.index - before.lastIndexOf('\n');
    return { line: before.split('\n').length, column, tag: tag.text.slice(0, 80), message };
  };
  for (const tag of tags(source)) {
    if (tag.kind === 'unclosed') return found(tag, `the tag is not closed`);
    if (tag.kind === '#') continue;
    const block = tag.keyword.startsWith('end') ? tag.keyword.slice(3) : undefined;
    if (block !== undefined && (BLOCKS.has(block) || block === 'set')) {
      const opening = open.pop();
      if (opening === undefined) return found(tag, `${tag.keyword} ends a block that was not begun`);
      if (opening.keyword !== block) return found(tag, `${tag.keyword} where end${opening.keyword} was expected`);
      continue;
    }
    const reason = parseAlone(tag);
    if (reason !== undefined) return found(tag, reason);
    if (BLOCKS.has(tag.keyword) || (tag.keyword === 'set' && !tag.text.includes('='))) open.push(tag);
  }
  const last = open.at(-1);
  return last === undefined ? undefined : found(last, `the block has no end${last.keyword}`);
}

function* tags(source: string): Generator<Tag> {
  const opening = /\{[{%#]/g;
  for (let match = opening.exec(source); match !== null; match = opening.exec(source)) {
    const kind = match[0][1]!;
    const close = kind === '{' ? '}}' : `${kind}}`;
    const end = closingOf(source, match.index + 2, close, kind === '#');
    if (end < 0) {
      const text = source.slice(match.index).split('\n')[0]!;
      yield { text, index: match.index, kind: 'unclosed', keyword: '' };
      return;
    }
    const text = source.slice(match.index, end);
    yield { text, index: match.index, kind, keyword: kind === '%' ? (/\w+/.exec(text)?.[0] ?? '') : '' };
    opening.lastIndex = end;
  }
}

/** Index after the closing mark, quotes skipped; -1 when it does not come. */
function closingOf(source: string, from: number, close: string, comment: boolean): number {
  let quote = '';
  for (let i = from; i < source.length; i++) {
    const char = source[i]!;
    if (quote !== '') {
      if (char === '\\') i++;
      else if (char === quote) quote = '';
    } else if (!comment && (char === '"' || char === "'")) {
      quote = char;
    } else if (source.startsWith(close, i)) {
      return i + 2;
    }
  }
  return -1;
}

/** Parses one tag with what it needs around it; returns what is wrong with it. */
function parseAlone(tag: Tag): string | undefined {
  let source = tag.text;
  if (BLOCKS.has(tag.keyword)) source = `${tag.text}{% end${tag.keyword} %}`;
  else if (INNER.has(tag.keyword)) source = `{% if x %}${tag.text}{% endif %}`;
  else if (tag.keyword === 'set' && !tag.text.includes('=')) source = `${tag.text}{% endset %}`;
  else if (tag.keyword === 'break' || tag.keyword === 'continue') source = `{% for x in y %}${tag.text}{% endfor %}`;
  try {
    new Template(source).format();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
