const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #24292f; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; padding: .5rem; background: #8881; border-radius: 4px; font-size: 13px; }
svg { max-width: 100%; height: auto; } summary { cursor: pointer; } .note { color: #57606a; }
@media (prefers-color-scheme: dark) { body { color: #d0d7de; background: #0d1117; } .note { color: #8b949e; } }
`;

/** A whole page that needs no other file. @param sections HTML; empty ones are left out */
export function htmlPage(title: string, heading: string, sections: readonly string[]): string {
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${STYLE}</style>`;
  const body = `<h1>${escapeHtml(heading)}</h1>\n${sections.filter((section) => section !== '').join('\n')}`;
  return `<!doctype html>\n<html lang="en"><head>${head}</head>\n<body>\n${body}\n</body></html>\n`;
}

/** @param body HTML */
export function htmlSection(title: string, body: string): string {
  return `<section><h2>${escapeHtml(title)}</h2>\n${body}</section>`;
}

/** @param head names of columns; one that begins with # holds numbers. Columns that are empty in every row are left out. */
export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const kept = head.map((_, i) => i).filter((i) => rows.some((row) => row[i] !== ''));
  const cell = (tag: string, i: number, text: string) =>
    `<${tag}${head[i]!.startsWith('#') ? ' class="n"' : ''}>${escapeHtml(text)}</${tag}>`;
  const line = (tag: string, texts: readonly string[]) =>
    `<tr>${kept.map((i) => cell(tag, i, texts[i]!)).join('')}</tr>`;
  const names = head.map((name) => name.replace(/^#/, ''));
  return `<table><thead>${line('th', names)}</thead><tbody>${rows.map((row) => line('td', row)).join('')}</tbody></table>`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char]!);
}
