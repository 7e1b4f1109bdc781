import { digitsOf, findSpans, type Span } from './span.ts';

/** [first prefix, last prefix, lengths]: the issuers' ranges (ISO/IEC 7812), compared digit by digit. */
const ISSUERS: readonly [first: string, last: string, lengths: readonly number[]][] = [
  ['4', '4', [13, 16, 19]], // Visa
  ['51', '55', [16]], // Mastercard
  ['2221', '2720', [16]],
  ['34', '34', [15]], // American Express
  ['37', '37', [15]],
  ['6011', '6011', [16, 17, 18, 19]], // Discover
  ['644', '659', [16, 17, 18, 19]],
  ['300', '305', [14, 16, 17, 18, 19]], // Diners Club
  ['3095', '3095', [14, 16, 17, 18, 19]],
  ['36', '36', [14, 15, 16, 17, 18, 19]],
  ['38', '39', [14, 16, 17, 18, 19]],
  ['3528', '3589', [16, 17, 18, 19]], // JCB
  ['62', '62', [16, 17, 18, 19]], // UnionPay
  ['81', '81', [16, 17, 18, 19]],
  ['9558', '9558', [19]], // ICBC, before UnionPay
  ['5018', '5018', [13, 14, 15, 16, 17, 18, 19]], // Maestro
  ['5020', '5020', [13, 14, 15, 16, 17, 18, 19]],
  ['5038', '5038', [13, 14, 15, 16, 17, 18, 19]],
  ['5893', '5893', [13, 14, 15, 16, 17, 18, 19]],
  ['6304', '6304', [13, 14, 15, 16, 17, 18, 19]],
  ['6759', '6763', [13, 14, 15, 16, 17, 18, 19]],
  ['2200', '2204', [16, 17, 18, 19]], // Mir
];

/**
 * Whole digit runs, or groups as cards are printed (4-4-4-4 with up to 3 more, 4-6-5, 4-6-4) with one separator; not
 * inside words, decimals, paths or amounts.
 */
const CANDIDATE =
  /(?<![\w.$€£¥/#])(?<!\d[-, ])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5})(?![\w%])(?!\.\d)/g;

/** Payment cards: an issuer's range, a length it uses, and the check digit (Luhn, ISO/IEC 7812-1 annex B). */
export function findCards(text: string): Span[] {
  return findSpans(text, CANDIDATE, (match) => {
    if (isCard(digitsOf(match))) return match.length;
    // 4111 1111 1111 1111 12/27: the expiry date looks like a fifth group.
    const sixteen = match.slice(0, 19);
    return match.length > 19 && /^\D?\d{1,3}$/.test(match.slice(19)) && isCard(digitsOf(sixteen)) ? 19 : 0;
  });
}

export function isCard(digits: string): boolean {
  const fits = ISSUERS.some(([first, last, lengths]) => {
    const prefix = digits.slice(0, first.length);
    return prefix >= first && prefix <= last && lengths.includes(digits.length);
  });
  return fits && luhn(digits);
}

/** Every second digit from the right doubled, its digits added; the sum is a multiple of ten. */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 1, double = false; i >= 0; i--, double = !double) {
    const digit = digits.charCodeAt(i) - 48;
    sum += double ? (digit > 4 ? 2 * digit - 9 : 2 * digit) : digit;
  }
  return sum % 10 === 0;
}
