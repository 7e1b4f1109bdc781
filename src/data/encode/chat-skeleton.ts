import { LlmkitError } from '../../core/errors.ts';
import type { ChatMessage } from '../../tokenizer/index.ts';
import type { Span } from './chat-spans.ts';

/** A place between two contents: so many characters into the template's own text before content `hole`. */
interface Place {
  hole: number;
  offset: number;
}

/**
 * What a template puts around the contents of conversations of one shape (roles in order), and where spans lie in it.
 * It is learned by rendering stand-ins, and only holds for a conversation whose rendered text it predicts to the letter:
 * then the spans are known without rendering every prompt.
 */
export class ChatSkeleton {
  /** [contents + 1] */
  readonly #literals: readonly string[];
  /** [contents]: the template strips this content. */
  readonly #trimmed: readonly boolean[];
  readonly #spans: readonly { turn: number; answer: boolean; start: Place; end: Place }[];

  private constructor(
    literals: readonly string[],
    trimmed: readonly boolean[],
    spans: readonly { turn: number; answer: boolean; start: Place; end: Place }[],
  ) {
    this.#literals = literals;
    this.#trimmed = trimmed;
    this.#spans = spans;
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
    const marks = messages.map((_, i) => `${STAND_IN}${i}${STAND_IN}`);
    let rendered: { text: string; spans: Span[] };
    try {
      rendered = render(messages.map(({ role }, i) => ({ role, content: PADDING + marks[i]! + PADDING })));
    } catch (error) {
      // The template asks for something that stand-ins lack, or changes earlier turns: rows of this shape tell by themselves.
      if (error instanceof LlmkitError && error.kind === 'data') return undefined;
      throw error;
    }
    const { text, spans } = rendered;
    const literals: string[] = [];
    const trimmed: boolean[] = [];
    const holes: { start: number; end: number }[] = [];
    let at = 0;
    for (const mark of marks) {
      const found = text.indexOf(mark, at);
      if (found < 0 || text.includes(mark, found + 1)) return undefined;
      const raw = text.startsWith(PADDING + mark + PADDING, found - PADDING.length);
      const padding = raw ? PADDING.length : 0;
      holes.push({ start: found - padding, end: found + mark.length + padding });
      trimmed.push(!raw);
      literals.push(text.slice(at, found - padding));
      at = found + mark.length + padding;
    }
    literals.push(text.slice(at));
    const place = (position: number): Place | undefined => {
      const next = holes.findIndex((hole) => position <= hole.start);
      const hole = next < 0 ? holes.length : next;
      const begin = hole === 0 ? 0 : holes[hole - 1]!.end;
      return position < begin ? undefined : { hole, offset: position - begin };
    };
    const places = spans.map(({ turn, answer, start, end }) => ({
      turn,
      answer,
      start: place(start),
      end: place(end),
    }));
    if (places.some(({ start, end }) => start === undefined || end === undefined)) return undefined;
    return new ChatSkeleton(literals, trimmed, places as { turn: number; answer: boolean; start: Place; end: Place }[]);
  }

  /** The text that these contents would give. */
  fill(messages: readonly ChatMessage[]): string {
    let text = this.#literals[0]!;
    for (let i = 0; i < messages.length; i++) text += this.#content(messages, i) + this.#literals[i + 1]!;
    return text;
  }

  /** The spans in that text. */
  spans(messages: readonly ChatMessage[]): Span[] {
    // Where the template's text before each content begins.
    const begins = [0];
    for (let i = 0; i < messages.length; i++) {
      begins.push(begins[i]! + this.#literals[i]!.length + this.#content(messages, i).length);
    }
    const position = ({ hole, offset }: Place) => begins[hole]! + offset;
    return this.#spans.map(({ turn, answer, start, end }) => ({
      turn,
      answer,
      start: position(start),
      end: position(end),
    }));
  }

  #content(messages: readonly ChatMessage[], i: number): string {
    const { content } = messages[i]!;
    return this.#trimmed[i]! ? content.trim() : content;
  }
}

/** A private-use character, and white space that a template may strip. */
const STAND_IN = '\uf8f0';
const PADDING = '\n ';
