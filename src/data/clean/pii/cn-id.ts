import { findSpans, type Span } from './span.ts';

/** GB/T 2260's provinces; 81, 82 and 83 are the residence cards of Hong Kong, Macao and Taiwan people. */
const PROVINCES = new Set(
  '11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83'.split(' '),
);
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS = '10X98765432';
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** 6 digits of region, 8 of birth, 3 of sequence, a check; in one piece or parted as 6-8-4. */
const CANDIDATE =
  /(?<![\w.])[1-8]\d{5}([ -]?)(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\1\d{3}[\dXx](?![\w])(?!\.\d)/g;

/** Resident identity cards of the PRC (GB 11643-1999): a plausible region, a date that exists, the check character. */
export function findCnIds(text: string): Span[] {
  return findSpans(text, CANDIDATE, (match) => (isCnId(match.replaceAll(/[ -]/g, '')) ? match.length : 0));
}

export function isCnId(id: string): boolean {
  if (id.length !== 18 || !PROVINCES.has(id.slice(0, 2)) || id.slice(2, 4) === '99' || id.slice(4, 6) === '99')
    return false;
  const [year, month, day] = [Number(id.slice(6, 10)), Number(id.slice(10, 12)), Number(id.slice(12, 14))];
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  if (day > DAYS[month - 1]! || (month === 2 && day === 29 && !leap)) return false;
  let sum = 0;
  for (const [i, weight] of WEIGHTS.entries()) sum += weight * (id.charCodeAt(i) - 48);
  return CHECKS[sum % 11] === id[17]!.toUpperCase();
}
