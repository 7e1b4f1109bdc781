import { LlmkitError } from '../../core/errors.ts';
import type { ChatMessage } from '../../tokenizer/index.ts';
import type { Span } from './chat-spans.ts';

/** A place between two contents: so many characters into the template's own text before content `hole`. */
interface Place {
  hole: number;
  offset: number;
}

interface PlacedSpan {
  turn: number;
  answer: boolean;
  start: Place;
  end: Place;
}

interface Parts {
  /** [contents + 1], the template's own text around the contents. */
  literals: string[];
  spans: PlacedSpan[];
}

/**
 * What a template puts around the contents of conversations of one shape (roles in order), and where spans lie in it.
 * It is learned by rendering stand-ins. It holds for a conversation whose rendered text it predicts to the letter, and
 * for contents that the template is known not to look at (`readTemplate`).
 */
export class ChatSkeleton {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * @param messages of the shape, with roles and contents only.
   * @param render renders the stand-ins and finds the spans, the dear way.
   * @returns undefined when the template does not show every content once, in order, whole.
   */
  static learn(
    messages: readonly ChatMessage[],
    render: (messages: ChatMessage[]) => { text: string; spans: Span[] },
  ): ChatSkeleton | undefined {
    try {
      const { text, spans } = render(messages.map(({ role }, i) => ({ role, content: standIn(i) })));
      const parts = partsOf(text, spans, messages.length);
      return parts === undefined ? undefined : new ChatSkeleton(parts);
    } catch (error) {
      // The template asks for what stand-ins lack, or changes earlier turns: rows of this shape tell by themselves.
      if (error instanceof LlmkitError && error.kind === 'data') return undefined;
      throw error;
    }
  }

  /** The text that these contents give, and the spans in it. */
  fill(contents: readonly string[]): { text: string; spans: Span[] } {
    const { literals, spans } = this.#parts;
    let text = literals[0]!;
    // Where the template's text before each content begins.
    const begins = [0];
    for (const [i, content] of contents.entries()) {
      text += content;
      begins.push(text.length);
      text += literals[i + 1]!;
    }
    const position = ({ hole, offset }: Place) => begins[hole]! + offset;
    return {
      text,
      spans: spans.map(({ turn, answer, start, end }) => ({
        turn,
        answer,
        start: position(start),
        end: position(end),
      })),
    };
  }
}

/** With private-use characters around it, and what filters would change. */
function standIn(i: number): string {
  return `\uf8f0${i} "\\<&>'aZ é中\n*\uf8f0`;
}

/** Whether a stand-in may hold the word: the template then treats it otherwise than a content without the word. */
export function standInHolds(word: string): boolean {
  return standIn(0).replace('0', '').includes(word) || /^\d+$/.test(word);
}

function partsOf(text: string, spans: readonly Span[], count: number): Parts | undefined {
  const parts: Parts = { literals: [], spans: [] };
  const holes: { start: number; end: number }[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const content = standIn(i);
    const start = text.indexOf(content, at);
    if (start < 0 || text.includes(content, start + 1)) return undefined;
    parts.literals.push(text.slice(at, start));
    at = start + content.length;
    holes.push({ start, end: at });
  }
  parts.literals.push(text.slice(at));
  for (const { turn, answer, start, end } of spans) {
    const [startPlace, endPlace] = [placeOf(start, holes), placeOf(end, holes)];
    if (startPlace === undefined || endPlace === undefined) return undefined;
    parts.spans.push({ turn, answer, start: startPlace, end: endPlace });
  }
  return parts;
}

/** Undefined within a content. */
function placeOf(position: number, holes: readonly { start: number; end: number }[]): Place | undefined {
  const next = holes.findIndex((hole) => position <= hole.start);
  const hole = next < 0 ? holes.length : next;
  const begin = hole === 0 ? 0 : holes[hole - 1]!.end;
  return position < begin ? undefined : { hole, offset: position - begin };
}
