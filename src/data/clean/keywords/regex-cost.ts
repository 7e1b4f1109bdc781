import { parseRegex, type Part } from './regex-parts.ts';

/** An open repeat (* + {n,}) goes on this long at most, so that no text makes a rule quadratic. */
export const MOST_REPEATS = 200;
/** The same for repeats of groups, and for repeats inside such a group. */
export const MOST_GROUP_REPEATS = 20;
const MOST_REPEATS_INSIDE = 50;
/** Steps that a rule may take from one place of a text. */
const MOST_STEPS = 1100;

/** Characters that stand for all others when two sets are compared; those of the pattern itself are added. */
const SAMPLES = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCodePoint(code)),
  ...'éßΩжאاक中的，。のア한กＡ１–’€№😀\u00a0\u3000\u0301\u2028',
];

/** What a part of a pattern can match and how long the search in it can take, in steps. */
interface Cost {
  /** By sample: 1 where the part can match it. */
  set: Uint8Array;
  /** It matches something. */
  mandatory: boolean;
  steps: number;
  /** What every match of it, if not empty, begins and ends with, where that is known. */
  first?: Uint8Array;
  last?: Uint8Array;
}

/** Why a pattern is refused. */
export class UnsafeRegex extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/**
 * A pattern whose time for each place of a text is bounded: its open repeats are given an end. Patterns that can match
 * one stretch of text in very many ways (`(a+)+`, `.*.*x`) are refused; the test errs on that side.
 *
 * @param source what `new RegExp(source, flags)` has accepted, with flag u.
 * @throws UnsafeRegex
 */
export function boundedRegex(source: string, flags: string): string {
  const tree = parseRegex(source);
  const ends: { from: number; to: number; text: string }[] = [];
  const samples = [...new Set([...SAMPLES, ...source])];
  const sets = new Map<string, Uint8Array>();

  const setOf = (character: string): Uint8Array => {
    let set = sets.get(character);
    if (set === undefined) {
      const matcher = new RegExp(`^(?:${character})$`, flags.replaceAll(/[gy]/g, ''));
      set = Uint8Array.from(samples, (sample) => (matcher.test(sample) ? 1 : 0));
      sets.set(character, set);
    }
    return set;
  };
  const nothing = new Uint8Array(samples.length);

  function costOf(part: Part, inGroup: boolean): Cost {
    switch (part.type) {
      case 'character': {
        const set = setOf(part.source);
        return { set, mandatory: true, steps: 1, first: set, last: set };
      }
      case 'backreference':
        throw new UnsafeRegex('a rule cannot refer back to a group', 'write the alternatives out');
      case 'look':
        return { set: nothing, mandatory: false, steps: costOf(part.body, inGroup).steps };
      case 'choice': {
        const options = part.options.map((option) => costOf(option, inGroup));
        const steps = options.map((option) => option.steps);
        // Options that begin alike can all be tried at one place.
        const alike = options.some(({ first }, i) =>
          options.slice(0, i).some((other) => !first || !other.first || overlap(first, other.first)),
        );
        return {
          set: union(options),
          mandatory: options.every((option) => option.mandatory),
          steps: limited(alike ? steps.reduce((sum, one) => sum + one) : Math.max(...steps)),
        };
      }
      case 'sequence':
        return costOfSequence(part.parts.map((item) => costOf(item, inGroup)));
      case 'repeat':
        return costOfRepeat(part, inGroup);
    }
  }

  function costOfRepeat(part: Extract<Part, { type: 'repeat' }>, inGroup: boolean): Cost {
    const group = part.body.type !== 'character';
    const open = part.most === Infinity;
    const limit = group ? MOST_GROUP_REPEATS : inGroup ? MOST_REPEATS_INSIDE : MOST_REPEATS;
    const most = !open ? part.most : part.least < limit ? limit : part.least + limit;
    if (open) ends.push({ from: part.from, to: part.to, text: `{${part.least},${most}}${part.lazy ? '?' : ''}` });
    const repeated = most > 1;
    const body = costOf(part.body, inGroup || (group && repeated));
    const varying = body.steps > 1 || part.least !== most;
    if (group && repeated && varying && !isUnambiguous(part.body)) {
      throw new UnsafeRegex(
        `a repeated group could match one text in very many ways: ...${source.slice(0, part.to).slice(-30)}`,
        'repeat a group only where each round begins or ends with a character that is not in the rest of it: (?:,\\d+)*',
      );
    }
    const rounds = body.steps > 1 ? most : most - part.least + 1;
    return { ...body, mandatory: part.least > 0 && body.mandatory, steps: limited(rounds * body.steps) };
  }

  /** Each round of a repeated group begins, or ends, with a character that the rest of the group does not have. */
  function isUnambiguous(body: Part): boolean {
    if (body.type === 'choice') {
      const sets = body.options.map((option) => (option.type === 'character' ? setOf(option.source) : undefined));
      return sets.every((set, i) => set !== undefined && sets.slice(0, i).every((other) => !overlap(set, other!)));
    }
    if (body.type !== 'sequence') return false;
    const costs = body.parts.map((item) => costOf(item, true));
    const fixed = body.parts.every((item) => item.type === 'character');
    // An edge of varying length must be parted from that of the next round: (?:\w+\s?)+ is not.
    const apart = (edge: Cost, rest: Cost[]) =>
      edge.mandatory && !overlap(edge.set, union(rest)) && (edge.steps === 1 || rest.some((cost) => cost.mandatory));
    return fixed || apart(costs[0]!, costs.slice(1)) || apart(costs.at(-1)!, costs.slice(0, -1));
  }

  /**
   * Repeats multiply when they can share a stretch of text: their sets overlap and nothing between them that must match
   * is outside one of the two, at an edge of one or between them.
   */
  function costOfSequence(parts: Cost[]): Cost {
    const steps = parts.map((part) => part.steps);
    for (const [j, part] of parts.entries()) {
      if (part.steps === 1) continue;
      let before = 1;
      for (let i = 0; i < j; i++) {
        const other = parts[i]!;
        if (other.steps === 1 || !overlap(other.set, part.set)) continue;
        const parted = parts
          .slice(i + 1, j)
          .some(({ set, mandatory }) => mandatory && (!overlap(set, other.set) || !overlap(set, part.set)));
        const edged =
          (part.first !== undefined && !overlap(part.first, other.set)) ||
          (other.last !== undefined && !overlap(other.last, part.set));
        if (!parted && !edged) before = Math.max(before, steps[i]!);
      }
      steps[j] = limited(before * part.steps);
    }
    const [head, tail] = [parts[0], parts.at(-1)];
    return {
      set: union(parts),
      mandatory: parts.some((part) => part.mandatory),
      steps: Math.max(1, ...steps),
      ...(head?.mandatory === true && head.first !== undefined ? { first: head.first } : {}),
      ...(tail?.mandatory === true && tail.last !== undefined ? { last: tail.last } : {}),
    };
  }

  function union(parts: readonly Cost[]): Uint8Array {
    const set = new Uint8Array(samples.length);
    for (const part of parts) for (let i = 0; i < set.length; i++) if (part.set[i] === 1) set[i] = 1;
    return set;
  }

  costOf(tree, false);
  return withEnds(source, ends);
}

function overlap(a: Uint8Array, b: Uint8Array): boolean {
  return a.some((one, i) => one === 1 && b[i] === 1);
}

function limited(steps: number): number {
  if (steps <= MOST_STEPS) return steps;
  throw new UnsafeRegex(
    'the regex could take very long: it has repeats that can match the same text',
    'bound them, e.g. .{0,20} for .*, or put a character between them that neither can match',
  );
}

/** Repeats inside a group are seen more than once; the tightest end is the one that counts. */
function withEnds(source: string, ends: { from: number; to: number; text: string }[]): string {
  const byPlace = new Map(ends.map((end) => [end.from, end]));
  for (const end of ends) {
    const chosen = byPlace.get(end.from)!;
    if (endOf(end.text) < endOf(chosen.text)) byPlace.set(end.from, end);
  }
  let result = '';
  let at = 0;
  for (const { from, to, text } of [...byPlace.values()].sort((a, b) => a.from - b.from)) {
    result += source.slice(at, from) + text;
    at = to;
  }
  return result + source.slice(at);
}

function endOf(quantifier: string): number {
  return Number(/,(\d+)\}/.exec(quantifier)![1]);
}
