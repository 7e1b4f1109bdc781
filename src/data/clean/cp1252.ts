/** What Windows-1252 has at 0x80..0x9f; 0 where it has nothing. */
const HIGH = [
  0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0, 0,
  0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
];

const BYTE_OF = new Uint8Array(0x10000);
for (let byte = 0x80; byte <= 0xff; byte++) BYTE_OF[byte] = byte;
for (const [i, unit] of HIGH.entries()) if (unit !== 0) BYTE_OF[unit] = 0x80 + i;

/** The byte (0x80..0xff) that Windows-1252 or Latin-1 reads as this UTF-16 unit; 0 for ASCII and what neither has. */
export function byteOf(unit: number): number {
  return BYTE_OF[unit]!;
}

/** Windows-1252's character for a C1 control (U+0080..U+009F), or undefined where it has none. */
export function characterOfControl(unit: number): string | undefined {
  const high = HIGH[unit - 0x80];
  return high === undefined || high === 0 ? undefined : String.fromCharCode(high);
}

/** All characters of 0x80..0xbf, as the inside of a regular expression's class: UTF-8's continuation bytes. */
export const CONTINUATIONS = `\\x80-\\xbf${HIGH.filter((unit) => unit !== 0)
  .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
  .join('')}`;
