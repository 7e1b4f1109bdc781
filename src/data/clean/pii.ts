import type { PrepareConfig } from '../../config/index.ts';
import type { RowStep } from '../row-step.ts';
import { mapTexts, textsOf } from '../texts.ts';
import { findCards } from './pii/card.ts';
import { findCnIds } from './pii/cn-id.ts';
import { findEmails } from './pii/email.ts';
import { findIbans } from './pii/iban.ts';
import { findIps } from './pii/ip.ts';
import { findPhones } from './pii/phone.ts';
import type { Span } from './pii/span.ts';

export type PiiConfig = Exclude<PrepareConfig['pii'], false>;
export type PiiKind = PiiConfig['kinds'][number];

export interface PiiHit extends Span {
  kind: PiiKind;
}

/** In order of precedence: an address may have a number in it; what carries a checksum comes before what does not. */
const FINDERS: readonly (readonly [PiiKind, (text: string) => Span[]])[] = [
  ['email', findEmails],
  ['cn_id', findCnIds],
  ['iban', findIbans],
  ['card', findCards],
  ['ip', findIps],
  ['phone', findPhones],
];

/** All of them but email hold at least four digits or groups of digits near each other. */
const NUMBERS = /\d[\d.:() /+-]{0,3}\d[\d.:() /+-]{0,3}\d[\d.:() /+-]{0,3}\d|[23][0-9A-Fa-f]{3}:/;

/** Personal data in a text, in order and without overlaps. */
export function findPii(text: string, kinds: readonly PiiKind[]): PiiHit[] {
  const numbers = NUMBERS.test(text);
  const hits: PiiHit[] = [];
  for (const [kind, find] of FINDERS) {
    if (!kinds.includes(kind) || !(kind === 'email' || numbers)) continue;
    for (const { start, end } of find(text)) hits.push({ kind, start, end });
  }
  return hits.length < 2 ? hits : withoutOverlaps(hits);
}

/** Of hits that overlap, the one whose kind comes first. */
function withoutOverlaps(hits: PiiHit[]): PiiHit[] {
  const rank = (hit: PiiHit) => FINDERS.findIndex(([kind]) => kind === hit.kind);
  hits.sort((a, b) => a.start - b.start || rank(a) - rank(b));
  const kept: PiiHit[] = [];
  for (const hit of hits) {
    const last = kept.at(-1);
    if (last === undefined || hit.start >= last.end) kept.push(hit);
    else if (rank(hit) < rank(last)) kept[kept.length - 1] = hit;
  }
  return kept;
}

/**
 * The step that finds personal data: puts a tag ([EMAIL], [PHONE], [IP], [CARD], [IBAN], [CN_ID]) in its place, or drops
 * the row. `counts` has what was redacted by kind; a drop says the kind and how many, never the data.
 */
export function makePii(config: PiiConfig): RowStep {
  const counts: Record<string, number> = {};
  return {
    stage: 'pii',
    counts,
    apply(example) {
      if (config.action === 'drop') {
        const hits = textsOf(example).flatMap((text) => findPii(text, config.kinds));
        const kind = hits[0]?.kind;
        if (kind === undefined) return { example };
        const value = hits.filter((hit) => hit.kind === kind).length;
        return { drop: { rule: `pii.${kind}`, value, limit: 0 } };
      }
      return { example: mapTexts(example, (text) => redact(text, findPii(text, config.kinds), counts)) };
    },
  };
}

function redact(text: string, hits: readonly PiiHit[], counts: Record<string, number>): string {
  if (hits.length === 0) return text;
  let redacted = '';
  let from = 0;
  for (const { kind, start, end } of hits) {
    redacted += `${text.slice(from, start)}[${kind.toUpperCase()}]`;
    from = end;
    const name = `${kind} redacted`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return redacted + text.slice(from);
}
