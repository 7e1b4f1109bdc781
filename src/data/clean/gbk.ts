/**
 * Characters that UTF-8 Chinese read as GBK is full of, since its most frequent bytes fall on them: 锛 and 銆 from
 * `，` and `。`, 鐨 from 的, 鏄 from 是, 浣 from 你, 涓 from 不. Correct text has hardly any.
 */
const MARKS = /[\u951b\u9286\u9428\u93c4\u6d63\u6d93]/;
const RUN = /[^\0-\x7f]{6,}/g;

let bytesOfGbk: Uint16Array | undefined;

/** GBK's two bytes of each BMP character, 0 where it has none; made from the platform's decoder. */
function gbkTable(): Uint16Array {
  if (bytesOfGbk !== undefined) return bytesOfGbk;
  const table = new Uint16Array(0x10000);
  const decoder = new TextDecoder('gbk');
  for (let lead = 0x81; lead <= 0xfe; lead++) {
    for (let trail = 0x40; trail <= 0xfe; trail++) {
      if (trail === 0x7f) continue;
      const character = decoder.decode(Uint8Array.of(lead, trail));
      const unit = character.charCodeAt(0);
      if (character.length === 1 && unit !== 0xfffd && unit >= 0x80) table[unit] = (lead << 8) | trail;
    }
  }
  bytesOfGbk = table;
  return table;
}

/**
 * Mends runs of Chinese whose UTF-8 bytes were read as GBK (`浣犲ソ` for 你好). A run is mended only when all of its
 * bytes are UTF-8 for Han characters, kana or East Asian punctuation and it is six characters or longer: correct
 * Chinese fits that by an accident of less than one in 10^11. Runs of an odd number of bytes have lost one and stay.
 */
export function mendGbk(text: string): string {
  if (!MARKS.test(text)) return text;
  return text.replaceAll(RUN, (run) => decodeRun(run) ?? run);
}

function decodeRun(run: string): string | undefined {
  const table = gbkTable();
  const bytes = new Uint8Array(run.length * 2);
  for (let i = 0; i < run.length; i++) {
    const pair = table[run.charCodeAt(i)]!;
    if (pair === 0) return undefined;
    bytes[2 * i] = pair >> 8;
    bytes[2 * i + 1] = pair & 0xff;
  }
  // Three bytes each, U+2000..U+9FFF and the full-width forms: anything else is not what Chinese is made of.
  if (bytes.length % 3 !== 0) return undefined;
  const units = new Uint16Array(bytes.length / 3);
  for (let i = 0; i < units.length; i++) {
    const [a, b, c] = [bytes[3 * i]!, bytes[3 * i + 1]!, bytes[3 * i + 2]!];
    const code = ((a & 0x0f) << 12) | ((b & 0x3f) << 6) | (c & 0x3f);
    if ((a & 0xf0) !== 0xe0 || (b & 0xc0) !== 0x80 || (c & 0xc0) !== 0x80 || !isEastAsian(code)) return undefined;
    units[i] = code;
  }
  return decodeUnits(units);
}

function isEastAsian(code: number): boolean {
  if (code >= 0x3400 && code <= 0x9fff) return true;
  return (code >= 0x2010 && code <= 0x2027) || (code >= 0x3000 && code <= 0x33ff) || (code >= 0xff00 && code <= 0xffef);
}

const UTF16 = new TextDecoder('utf-16le');

function decodeUnits(units: Uint16Array): string {
  return UTF16.decode(units);
}
