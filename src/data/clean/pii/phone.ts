import { digitsOf, findSpans, type Span } from './span.ts';

/** ITU-T E.164's country codes. */
const COUNTRY_CODES = new Set([
  '1',
  '7',
  ...range('20 27 30-34 36 39-41 43-49 51-58 60-66 81 82 84 86 90-95 98'),
  ...range('211-213 216 218 220-258 260-269 290 291 297-299 350-359 370-378 380-383 385-387 389 420 421 423'),
  ...range('500-509 590-599 670 672-683 685-692 800 808 850 852 853 855 856 870 878 880-883 886 888'),
  ...range('960-968 970-977 979 992-996 998'),
]);

/** Digits behind the country code where they are the same for a whole country: [least, most]. */
const NATIONAL: Readonly<Record<string, readonly [number, number]>> = {
  1: [10, 10],
  7: [10, 10],
  33: [9, 9],
  34: [9, 9],
  44: [9, 10],
  61: [9, 9],
  65: [8, 8],
  81: [9, 10],
  82: [8, 10],
  86: [9, 11],
  91: [10, 10],
  852: [8, 8],
  853: [8, 8],
  886: [8, 9],
};

/** Area code and exchange do not begin with 0 or 1; 800, 833 ... 888 are free service lines. */
const NANP = /^(?!8(?:00|33|44|55|66|77|88))[2-9]\d{2}[2-9]\d{6}$/;
const CN_MOBILE = /^1(?:3\d|4[5-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])\d{8}$/;
const CN_AREA = /^(?:10|2\d|[3-9]\d{2})[2-8]\d{6,7}$/;

/** 138-1234-5678, 138 1234 5678, 1381-2345-678, 13812345678; 86 or 0086 before it. Not in words, decimals or amounts. */
const MOBILE =
  /(?<![\w.+$€£¥#/=])(?<!\d[-, ])(?:(?:00)?86[ -]?|\((?:00)?86\) ?)?1[3-9](?:\d{9}|\d([ -])\d{4}\1\d{4}|\d[ -]\d{8}|\d{2}([ -])\d{4}\2\d{3})(?![\w%])(?!-\d)(?!\.\d)(?! ?(?:元|万|亿|块|美元))/g;

/** 010-12345678, (0755) 8612 3456, 0571-87654321-802, 021 5888 8888 转 12. */
const LANDLINE =
  /(?<![\w.+/-])(?:[(（]0(?:10|2\d|[3-9]\d{2})[)）][ -]?|0(?:10|2\d|[3-9]\d{2})[ -]?)[2-8]\d{2,3}[ -]?\d{4}(?: ?(?:转|ext\.?|-) ?\d{1,5})?(?![\w])(?!\.\d)/gi;
const LABEL = /(?:电话|座机|传真|热线|致电|拨打|手机|联系方式|tel|phone|fax|call)[^\d\n]{0,6}$/i;

/** (415) 555-2671 and 415-555-2671. */
const NORTH_AMERICA = /(?<![\w.+/-])(?:\([2-9]\d{2}\) ?|[2-9]\d{2}-)[2-9]\d{2}-\d{4}(?![\w-])(?!\.\d)/g;

function range(codes: string): string[] {
  return codes.split(' ').flatMap((entry) => {
    const [first = 0, last = first] = entry.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => String(first + i));
  });
}

/**
 * Telephone numbers as they are written to be dialled: E.164 (+, a country code that exists, a length it uses), mainland
 * China's mobile numbers (prefixes in use) and land lines (area code, separated or behind a word such as 电话), and
 * North America's with separators. Other runs of digits are not numbers to call; 400, 95xxx and 800 service lines
 * are no person's.
 */
export function findPhones(text: string): Span[] {
  const spans = text.includes('+') ? findE164(text) : [];
  spans.push(
    ...findSpans(text, MOBILE, (match) => (CN_MOBILE.test(digitsOf(match).slice(-11)) ? match.length : 0)),
    ...findSpans(text, LANDLINE, (match, start) => (isLandline(text, match, start) ? match.length : 0)),
    ...findSpans(text, NORTH_AMERICA, (match) => (NANP.test(digitsOf(match)) ? match.length : 0)),
  );
  return spans;
}

function isLandline(text: string, match: string, start: number): boolean {
  const number = match.replace(/ ?(?:转|ext\.?|-) ?\d{1,5}$/i, (tail) => (/^-\d{4}/.test(tail) ? tail : ''));
  const digits = digitsOf(number);
  // Beijing (010) and the cities with 02x have eight digits behind the area code.
  const area = /^0(?:10|2)/.test(digits) ? 3 : 4;
  const rest = digits.length - area;
  if (rest !== 8 && (rest !== 7 || area === 3)) return false;
  const apart = /^[(（]/.test(match) || /[ -]/.test(match[area] ?? '');
  return apart || LABEL.test(text.slice(Math.max(0, start - 12), start));
}

/** E.164 allows 15 digits; people part them with spaces, hyphens, dots and parentheses. */
function findE164(text: string): Span[] {
  const spans: Span[] = [];
  for (let plus = text.indexOf('+'); plus >= 0; plus = text.indexOf('+', plus + 1)) {
    if (plus > 0 && /[\w+)\]]/.test(text[plus - 1]!)) continue;
    const end = endOfE164(text, plus);
    // (+86) 138 1234 5678: the parenthesis that closes inside opened before the plus.
    const inside = text.slice(plus, end);
    const open = text[plus - 1] === '(' && inside.includes(')') && !inside.includes('(');
    if (end > 0) spans.push({ start: open ? plus - 1 : plus, end });
  }
  return spans;
}

/** The longest run of digit groups behind the + that is a number; 0 if there is none. */
function endOfE164(text: string, plus: number): number {
  let digits = '';
  let end = 0;
  let gap = 0;
  for (let at = plus + 1; at < text.length && digits.length <= 15; at++) {
    const character = text[at]!;
    // +44 (0)20 ...: the trunk prefix is not dialled from abroad.
    if (character === '(' && text.startsWith('(0)', at)) at += 2;
    else if (character >= '0' && character <= '9') {
      digits += character;
      gap = 0;
      const next = text[at + 1] ?? '';
      if (!/[\w%]/.test(next) && isE164(digits)) end = at + 1;
    } else if (' -.()\u00a0'.includes(character) && (digits !== '' || character === '(') && gap < 2) gap++;
    else break;
  }
  return end;
}

export function isE164(digits: string): boolean {
  if (digits.length < 8 || digits.length > 15) return false;
  const code = [1, 2, 3].map((length) => digits.slice(0, length)).find((prefix) => COUNTRY_CODES.has(prefix));
  if (code === undefined) return false;
  const national = digits.slice(code.length);
  const [least, most] = NATIONAL[code] ?? [6, 15];
  if (national.length < least || national.length > most) return false;
  if (code === '1') return NANP.test(national);
  return code !== '86' || CN_MOBILE.test(national) || CN_AREA.test(national);
}
