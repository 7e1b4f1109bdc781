/**
 * Throws unless the text is well-formed XML 1.0 of the kind a report is: one root, tags that nest, quoted attributes each once,
 * no bare `<` or `&`, no forbidden characters. Returns the names of the elements with their attributes.
 */
export function checkXml(text: string): { name: string; attributes: Record<string, string> }[] {
  const forbidden = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.exec(text);
  if (forbidden !== null) throw new Error(`character ${JSON.stringify(forbidden[0])} is not allowed`);
  const body = text.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\s*/, '');
  if (body === text) throw new Error('there is no XML declaration');
  const elements: { name: string; attributes: Record<string, string> }[] = [];
  const open: string[] = [];
  let at = 0;
  const token = /<(\/?)([A-Za-z][\w-]*)((?:\s+[A-Za-z][\w-]*="[^"<]*")*)\s*(\/?)>|[^<]+/y;
  while (at < body.length) {
    token.lastIndex = at;
    const match = token.exec(body);
    if (match === null) throw new Error(`not well-formed at ${JSON.stringify(body.slice(at, at + 60))}`);
    at = token.lastIndex;
    const [all, closing, name, attributes, empty] = match;
    checkEntities(attributes ?? all);
    if (name === undefined) {
      if (open.length === 0 && all.trim() !== '') throw new Error(`text outside of the root: ${all}`);
      continue;
    }
    if (open.length === 0 && elements.length > 0) throw new Error(`a second root ${name}`);
    if (closing === '/') {
      if (open.pop() !== name) throw new Error(`</${name}> closes another element`);
      if (open.length === 0 && body.slice(at).trim() !== '') throw new Error('something follows the root');
      continue;
    }
    const found: Record<string, string> = {};
    for (const [, key, value] of attributes!.matchAll(/([\w-]+)="([^"]*)"/g)) {
      if (Object.hasOwn(found, key!)) throw new Error(`attribute ${key} twice`);
      found[key!] = value!;
    }
    elements.push({ name, attributes: found });
    if (empty !== '/') open.push(name);
  }
  if (open.length > 0 || elements.length === 0) throw new Error(`not closed: ${open.join(', ')}`);
  return elements;
}

function checkEntities(text: string): void {
  const bad = /&(?!(?:amp|lt|gt|quot|apos|#\d+);)/.exec(text);
  if (bad !== null) throw new Error(`a bare & in ${JSON.stringify(text)}`);
}
