import { byteOf, characterOfControl, CONTINUATIONS } from './cp1252.ts';
import { mendGbk } from './gbk.ts';
import { codePointOf, isBeyondDoubt, lengthOf, sequenceAt, type Sequence } from './mojibake-evidence.ts';

/** Text was seen that went through the wrong decoder three times; more is not text any more. */
const MOST_ROUNDS = 4;

/** A lead byte of UTF-8 and a continuation byte, as characters; or a C1 control. */
const SUSPECT = new RegExp(`[\\xc2-\\xf4][${CONTINUATIONS}]|[\\x80-\\x9f]`);
const CONTROLS = /[\x80-\x9f]/g;

/**
 * Mends text whose UTF-8 bytes were read as Windows-1252 or Latin-1, once or several times (`cafÃ©`, `â€™`, `ä½\xa0å¥½`),
 * Chinese whose UTF-8 was read as GBK (`锛屾槸`), and Windows-1252 quotes read as Latin-1 (C1 controls).
 *
 * A text is decoded as a whole when every character outside ASCII is part of a UTF-8 sequence and at least one sequence
 * is beyond doubt; otherwise only the sequences that are beyond doubt themselves are. What is lost is not guessed at,
 * with two exceptions that stand in doubt of nothing: `â€` for a closing quote whose last byte had no character, when
 * an opening one was mended before it, and `Ã ` for à when all else in the text is damaged.
 *
 * The idea, that mojibake gives itself away by combinations that no language has, is ftfy's (R. Speer, 2013); the rules
 * are others: test/golden/data/clean lists where the two differ.
 */
export function mendMojibake(text: string): string {
  let mended = text;
  for (let round = 0; round < MOST_ROUNDS && SUSPECT.test(mended); round++) {
    const next = mendOnce(mended);
    if (next === mended) break;
    mended = next;
  }
  return mendGbk(mendControls(mended));
}

function mendOnce(text: string): string {
  const { damaged, wholly } = survey(text);
  return damaged ? decode(text, wholly) : text;
}

/** Whether anything is beyond doubt, and whether everything outside ASCII is part of a sequence. */
function survey(text: string): { damaged: boolean; wholly: boolean } {
  let damaged = false;
  let wholly = true;
  let before: Sequence = 0;
  for (let at = 0; at < text.length;) {
    const unit = text.charCodeAt(at);
    const sequence = unit < 0x80 ? 0 : sequenceAt(text, at);
    if (sequence === 0) {
      if (unit >= 0x80) {
        const lost = isLostQuote(text, at) ? 2 : isLostA(text, at) ? 1 : 0;
        if (lost === 0) wholly = false;
        at += Math.max(lost, 1);
      } else at++;
    } else {
      damaged ||= isBeyondDoubt(text, at, sequence, before);
      at += lengthOf(sequence);
    }
    if (damaged && !wholly) break;
    before = sequence;
  }
  return { damaged, wholly };
}

function decode(text: string, wholly: boolean): string {
  const parts: string[] = [];
  let from = 0;
  let openQuotes = 0;
  let before: Sequence = 0;
  const put = (at: number, length: number, replacement: string) => {
    if (at > from) parts.push(text.slice(from, at));
    parts.push(replacement);
    from = at + length;
  };
  for (let at = 0; at < text.length;) {
    const unit = text.charCodeAt(at);
    const sequence = unit < 0x80 ? 0 : sequenceAt(text, at);
    let length = 1;
    if (sequence !== 0) {
      length = lengthOf(sequence);
      if (wholly || isBeyondDoubt(text, at, sequence, before)) {
        const code = codePointOf(sequence);
        if (code === 0x201c) openQuotes++;
        if (code === 0x201d) openQuotes--;
        put(at, length, String.fromCodePoint(code));
      }
    } else if (unit === 0xe2 && openQuotes > 0 && isLostQuote(text, at)) {
      length = 2;
      put(at, length, '\u201d');
      openQuotes--;
    } else if (unit === 0xc3 && wholly && isLostA(text, at)) {
      length = text.charCodeAt(at + 2) === 0x20 ? 2 : 1;
      put(at, length, 'à');
    }
    at += length;
    before = sequence;
  }
  parts.push(text.slice(from));
  return parts.join('');
}

/** `â€` whose third byte, 0x9d, has no character in Windows-1252 and was dropped: ”. */
function isLostQuote(text: string, at: number): boolean {
  return text.charCodeAt(at) === 0xe2 && byteOf(text.charCodeAt(at + 1) || 0) === 0x80 && sequenceAt(text, at) === 0;
}

/** `Ã` before a space that was a no-break space, 0xa0, once: à. */
function isLostA(text: string, at: number): boolean {
  return text.charCodeAt(at) === 0xc3 && text.charCodeAt(at + 1) === 0x20;
}

/** C1 controls are Windows-1252's quotes and dashes read as Latin-1; U+0085 alone may be a line end, and stays. */
function mendControls(text: string): string {
  const found = text.match(CONTROLS);
  if (found === null || found.every((control) => control === '\x85')) return text;
  return text.replaceAll(CONTROLS, (control) => characterOfControl(control.charCodeAt(0)) ?? control);
}
