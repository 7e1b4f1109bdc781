import { compile, type DomNode, type FormatCallback } from 'html-to-text';

/** Tags nested deeper than this are an attack or an accident: the parser's time is the square of the depth. */
const DEEPEST = 100;
/** Elements without a closing tag, or whose closing tag may be left out: they do not nest by themselves. */
const SHALLOW =
  /^(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|p|li|dt|dd|tr|td|th|thead|tbody|tfoot|option|optgroup|h[1-6]|html|head|body)$/i;
const TAG_START = /<!--|<(\/?)([a-z][a-z0-9-]{0,30})/gi;

const SKIPPED = [
  'script',
  'style',
  'noscript',
  'template',
  'nav',
  'svg',
  'iframe',
  'object',
  'canvas',
  'audio',
  'video',
  'select',
  'button',
  'img',
  '[hidden]',
  '[role="navigation"]',
];
const heading = { leadingLineBreaks: 2, trailingLineBreaks: 2, uppercase: false };

/** Cells parted by bars: columns padded with spaces are the reader's, not the model's, and cost the square of the rows. */
const tableRow: FormatCallback = (row, walk, builder) => {
  builder.openBlock({ leadingLineBreaks: 1 });
  const cells = row.children.filter(({ name }) => name === 'td' || name === 'th');
  for (const [i, cell] of cells.entries()) {
    if (i > 0) builder.addLiteral(' | ');
    walk(contentOf(cell), builder);
  }
  builder.closeBlock({ trailingLineBreaks: 1 });
};

/** A cell that holds one paragraph is that paragraph's text, and stays on its line. */
function contentOf(cell: DomNode): DomNode[] {
  const inner = cell.children.filter((node) => node.type !== 'text' || (node.data ?? '').trim() !== '');
  const only = inner.length === 1 ? inner[0]! : undefined;
  return only?.name === 'p' || only?.name === 'div' ? contentOf(only) : cell.children;
}

const options = {
  wordwrap: false as const,
  whitespaceCharacters: ' \t\r\n\f',
  formatters: { tableRow },
  // A row may be longer than the library's 16 MB, behind which it cuts.
  limits: { maxInputLength: Number.MAX_SAFE_INTEGER },
  selectors: [
    ...SKIPPED.map((selector) => ({ selector, format: 'skip' })),
    { selector: 'a', options: { ignoreHref: true } },
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: heading })),
    { selector: 'ul', options: { itemPrefix: '- ' } },
    { selector: 'hr', format: 'skip' },
    { selector: 'table', format: 'block', options: { leadingLineBreaks: 2, trailingLineBreaks: 2 } },
    { selector: 'tr', format: 'tableRow' },
  ],
};

let toText: ((html: string) => string) | undefined;
let inlineToText: ((html: string) => string) | undefined;

const TAG =
  /<(?:\/?(?:html|head|body|p|div|span|a|b|i|u|em|strong|br|hr|h[1-6]|ul|ol|li|dl|dt|dd|table|thead|tbody|tr|td|th|img|font|center|blockquote|pre|code|sup|sub|small|big|section|article|header|footer|main|nav|aside|form|input|button|script|style|noscript|meta|link|title|iframe|figure|figcaption|label|option|select)(?=[\s/>])|!doctype|!--)/i;
const BLOCK =
  /<(?:html|body|p|div|h[1-6]|ul|ol|li|dl|table|tr|blockquote|pre|section|article|main|!doctype)(?=[\s/>])/i;
const ENTITY = /&(?:[a-z]{2,31}|#\d{1,7}|#x[0-9a-f]{1,6});/i;

/** True for text with tags of HTML or character references in it. `a < b` and `List<String>` are neither. */
export function looksLikeHtml(text: string): boolean {
  return (text.includes('<') && TAG.test(text)) || (text.includes('&') && ENTITY.test(text));
}

/**
 * HTML as plain text: scripts, styles, navigation and forms' controls gone, a link's text without its address, a blank
 * line between paragraphs, `- ` and numbers before list items, ` | ` between a table's cells. Markup within a line of
 * plain text keeps the text's line breaks; text that has character references only is otherwise left as it is.
 */
export function htmlToText(html: string): string {
  if (!TAG.test(html)) return convertInline(`<pre>${html.replaceAll('<', '&lt;')}</pre>`);
  if (!BLOCK.test(html)) return convertInline(html);
  toText ??= compile(options);
  return toText(withoutDepth(html));
}

function convertInline(html: string): string {
  inlineToText ??= compile({ ...options, preserveNewlines: true });
  return inlineToText(withoutDepth(html));
}

/** The same markup without the tags that are nested deeper than DEEPEST; their text stays. */
function withoutDepth(html: string): string {
  let depth = 0;
  let flat = '';
  let from = 0;
  TAG_START.lastIndex = 0;
  for (let found = TAG_START.exec(html); found !== null; found = TAG_START.exec(html)) {
    const [opening, closing, name = ''] = found;
    if (opening === '<!--' || (closing === '' && /^(?:script|style)$/i.test(name))) {
      const end = html.indexOf(opening === '<!--' ? '-->' : `</${name}`, TAG_START.lastIndex);
      if (end < 0) break;
      TAG_START.lastIndex = end;
      continue;
    }
    if (SHALLOW.test(name)) continue;
    const tooDeep = depth > DEEPEST || (depth === DEEPEST && closing === '');
    depth = closing === '' ? depth + 1 : Math.max(0, depth - 1);
    if (!tooDeep) continue;
    const end = html.indexOf('>', TAG_START.lastIndex);
    if (end < 0) break;
    flat += html.slice(from, found.index);
    from = end + 1;
    TAG_START.lastIndex = from;
  }
  return from === 0 ? html : flat + html.slice(from);
}
