import type { Span } from './span.ts';

/** Lengths by country (ISO 13616 registry). */
const LENGTHS: Readonly<Record<string, number>> = Object.fromEntries(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 ' +
    'FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 ' +
    'LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 ' +
    'RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

const START = /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?=[ -]?[A-Z0-9])/g;
const isAlphanumeric = (unit: number) => (unit >= 48 && unit <= 57) || (unit >= 65 && unit <= 90);

/** IBANs, in one piece or in groups of four, of the length their country has, with a right checksum (ISO 7064, 97-10). */
export function findIbans(text: string): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(START)) {
    const length = LENGTHS[match[0].slice(0, 2)];
    const end = length === undefined ? 0 : endOf(text, match.index, length);
    if (end > 0 && isIban(text.slice(match.index, end).replaceAll(/[ -]/g, ''))) {
      spans.push({ start: match.index, end });
    }
  }
  return spans;
}

/** Where `length` characters from `start` on end, one separator after each four at most; 0 where they do not fit. */
function endOf(text: string, start: number, length: number): number {
  let at = start;
  for (let taken = 0; taken < length; taken++) {
    if (taken > 0 && taken % 4 === 0 && (text[at] === ' ' || text[at] === '-')) at++;
    if (at >= text.length || !isAlphanumeric(text.charCodeAt(at))) return 0;
    at++;
  }
  return /[A-Za-z0-9]/.test(text[at] ?? '') ? 0 : at;
}

/** Country and check digits moved to the end, letters as 10..35: the number leaves 1 when divided by 97. */
export function isIban(iban: string): boolean {
  if (LENGTHS[iban.slice(0, 2)] !== iban.length) return false;
  const check = Number(iban.slice(2, 4));
  if (check < 2 || check > 98) return false;
  const moved = iban.slice(4) + iban.slice(0, 4);
  let rest = 0;
  for (let i = 0; i < moved.length; i++) {
    const value = Number.parseInt(moved[i]!, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}
