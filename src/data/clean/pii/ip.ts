import { isIPv6 } from 'node:net';
import { findSpans, type Span } from './span.ts';

const V4 =
  /(?<![\w.-])(?<!\d,)(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?![\w-])(?!\.\d)/g;
/** 2000::/3 begins with 2 or 3 and three more hexadecimal digits. */
const V6 = /(?<![\w:.])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{1,34}(?![\w:])/g;
/** What four numbers with dots are otherwise: behind these words, and behind or before those when they start low. */
const VERSION_BEFORE =
  /(?:version|ver|\bv|release|build|firmware|section|chapter|rfc|oid|版本|固件|章节|第)[\s:：.#-]{0,3}$/i;
const CHANGE_BEFORE = /(?:upgrad|updat|patch|bump|\broll)[a-z]{0,5}\b[^\n]{0,24}$/i;
const RELEASE_AFTER = /^,? (?:release|beta|alpha|rc\d?\b|version)/i;
const LOW = 20;
const LOOK = 40;

/** IANA's special-purpose IPv4 blocks: [first address, bits]. */
const SPECIAL: readonly [number, number][] = (
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 ' +
  '192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3'
)
  .split(' ')
  .map((block) => {
    const [address = '', bits = ''] = block.split('/');
    return [numberOf(address), Number(bits)];
  });

function numberOf(address: string): number {
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

/**
 * Public IP addresses, as datatrove redacts them: those of private, local, documentation, multicast and reserved
 * networks name nobody and stay. Four numbers below ten are taken for a version or a section (1.2.3.4), as are those
 * behind such a word.
 */
export function findIps(text: string): Span[] {
  const spans: Span[] = [];
  if (text.includes('.')) {
    const v4 = findSpans(text, V4, (match, start) =>
      isPublicV4(match) && !isVersion(text, match, start) ? match.length : 0,
    );
    spans.push(...v4);
  }
  if (text.includes(':')) {
    const v6 = findSpans(text, V6, (match) => {
      // "at 2606:4700::1111: no answer"
      const address = /[^:]:$/.test(match) ? match.slice(0, -1) : match;
      return isPublicV6(address) ? address.length : 0;
    });
    spans.push(...v6);
  }
  return spans;
}

function isVersion(text: string, match: string, start: number): boolean {
  const before = text.slice(Math.max(0, start - LOOK), start);
  if (VERSION_BEFORE.test(before)) return true;
  const end = start + match.length;
  return (
    Number.parseInt(match, 10) < LOW && (CHANGE_BEFORE.test(before) || RELEASE_AFTER.test(text.slice(end, end + LOOK)))
  );
}

export function isPublicV4(address: string): boolean {
  const value = numberOf(address);
  if (address.split('.').every((octet) => Number(octet) < 10)) return false;
  return !SPECIAL.some(([first, bits]) => Math.floor((value - first) / 2 ** (32 - bits)) === 0 && value >= first);
}

/** Global unicast, 2000::/3, without documentation (2001:db8::/32, 3fff::/20), Teredo and 6to4. */
export function isPublicV6(address: string): boolean {
  if (!isIPv6(address)) return false;
  const [first = 0, second = 0] = address.split(':').map((group) => Number.parseInt(group || '0', 16));
  if (first < 0x2000 || first > 0x3fff || first === 0x2002) return false;
  if (first === 0x2001 && (second < 0x200 || second === 0xdb8)) return false;
  return !(first === 0x3fff && second < 0x1000);
}
