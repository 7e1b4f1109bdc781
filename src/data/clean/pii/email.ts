import type { Span } from './span.ts';

/** RFC 5321's limits. */
const MOST_LOCAL = 64;
const MOST_DOMAIN = 253;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,24}|xn--[a-z0-9-]{2,59})$/i;
/** What ends like a domain and is a file: icon@2x.png, chunk@main.js. */
const FILE =
  /\.(?:png|jpe?g|gif|webp|svg|ico|css|scss|js|mjs|cjs|jsx|ts|tsx|json|html?|xml|ya?ml|md|txt|zip|tgz|gz|jar)$/i;

const isLocal = table("!#$%&'*+-/=?^_`{|}~.");
const isDomain = table('.-');

/** Letters and digits of ASCII, and the characters given. */
function table(more: string): Uint8Array {
  const allowed = new Uint8Array(128);
  for (let unit = 0; unit < 128; unit++) {
    const character = String.fromCharCode(unit);
    if (/[A-Za-z0-9]/.test(character) || more.includes(character)) allowed[unit] = 1;
  }
  return allowed;
}

/**
 * Addresses as RFC 5321 writes them without quotes, with a domain of two labels or more; ASCII only, so that Chinese may
 * stand on both sides. The text is searched around each @ and never further than an address can be long.
 */
export function findEmails(text: string): Span[] {
  const spans: Span[] = [];
  let done = 0;
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at;
    while (start > done && at - start <= MOST_LOCAL && isLocal[text.charCodeAt(start - 1)] === 1) start--;
    if (at - start > MOST_LOCAL) continue;
    let end = at + 1;
    while (end < text.length && end - at <= MOST_DOMAIN && isDomain[text.charCodeAt(end)] === 1) end++;
    // The end of a sentence, and marks around the address, are not of it.
    while (end > at && (text[end - 1] === '.' || text[end - 1] === '-')) end--;
    while (start < at && !/[A-Za-z0-9_]/.test(text[start]!)) start++;
    const local = text.slice(start, at);
    const domain = text.slice(at + 1, end);
    if (local === '' || local.endsWith('.') || local.includes('..') || !DOMAIN.test(domain) || FILE.test(domain))
      continue;
    // user:password@host is a login in an address of another kind; what stands before : or // is not a mailbox.
    if (text[end] === ':' && /[/\w]/.test(text[end + 1] ?? '')) continue;
    spans.push({ start, end });
    done = end;
  }
  return spans;
}
