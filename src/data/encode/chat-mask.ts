import { LlmkitError } from '../../core/errors.ts';
import type { ChatMessage, Tokenizer } from '../../tokenizer/index.ts';
import { ChatSkeleton, standInHolds } from './chat-skeleton.ts';
import { excerpt, findSpans, type Render, type Span } from './chat-spans.ts';
import type { SpecialTokens } from './special-tokens.ts';
import { isOpaque, readTemplate, type TemplateReading } from './template-reading.ts';
import { isPlain, markTurns, type TrainOn, type TurnMarks, withoutMarks } from './train-marks.ts';

/** A conversation as tokens; `stops` are the tokens that end its trained turns. */
export interface ChatTokens {
  /** [n] */
  inputIds: Int32Array;
  /** [n], 1 where the token is a target. */
  isTarget: Uint8Array;
  stops: number[];
}

/** Shapes of conversations that are remembered; rows of others are rendered turn by turn. */
const MOST_SHAPES = 4096;

/**
 * Renders conversations and marks the assistant's turns as targets. The text is encoded piece by piece between the
 * places where generation would begin and end, so the tokens too are those of generation, and no token straddles the
 * border between prompt and answer.
 *
 * Every trained turn ends in an unmasked special token (the one generation stops at); what the template puts behind it
 * is not trained. A last turn without one gets the tokenizer's EOS.
 */
export class ChatEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #special: SpecialTokens;
  readonly #trainOn: TrainOn;
  /** What is known of a shape: that it was seen, its skeleton, or that it has none. */
  readonly #shapes = new Map<string, ChatSkeleton | 'seen' | 'none'>();
  /** What the template does with contents, once that was asked. */
  #reading: TemplateReading | 'unknown' | undefined;
  readonly #isBlank = new Map<number, boolean>();

  constructor(tokenizer: Tokenizer, special: SpecialTokens, trainOn: TrainOn) {
    this.#tokenizer = tokenizer;
    this.#special = special;
    this.#trainOn = trainOn;
  }

  /**
   * @param tools descriptions (JSON schemas) for the template.
   * @param from the turn from which answers are trained; with it what comes before never is (preference pairs).
   * @throws LlmkitError('data') when the template refuses the messages, does not end a trained turn, or shows earlier
   *   turns differently later; or when marks on the messages cannot be followed.
   */
  encode(messages: ChatMessage[], tools?: unknown[], from?: number): ChatTokens {
    const trainOn = from !== undefined && this.#trainOn === 'all' ? 'answers' : this.#trainOn;
    const marks = markTurns(messages, trainOn, from);
    const shown = withoutMarks(messages);
    const { text, spans } = this.#render(shown, tools, marks);
    const others = trainOn === 'all' ? 1 : 0;
    const tokens = new Pieces();
    let at = 0;
    for (const span of spans) {
      tokens.add(this.#ids(text.slice(at, span.start)), others);
      const ids = this.#ids(text.slice(span.start, span.end));
      if (span.answer) this.#addAnswer(tokens, ids, others, span.turn, span.turn === messages.length - 1);
      else tokens.add(ids, 0);
      at = span.end;
    }
    tokens.add(this.#ids(text.slice(at)), others);
    return tokens.join();
  }

  #ids(text: string): Int32Array {
    return this.#tokenizer.encode(text, { addSpecialTokens: false });
  }

  #render(messages: ChatMessage[], tools: unknown[] | undefined, marks: TurnMarks): { text: string; spans: Span[] } {
    const render: Render = (part, addGenerationPrompt) =>
      this.#tokenizer.applyChatTemplate(
        part,
        tools === undefined ? { addGenerationPrompt } : { addGenerationPrompt, tools },
      );
    const rendered = (shown: ChatMessage[], text: string) => ({
      text,
      spans: findSpans(shown, text, marks, render, this.#tokenizer, this.#special),
    });
    if (tools !== undefined || !messages.every(isPlain)) return rendered(messages, render(messages, false));

    const shape = `${messages.map(({ role }) => role).join()}:${marks.answers.join()}:${marks.masked.join()}`;
    let known = this.#shapes.get(shape);
    if (known === 'seen') {
      known = ChatSkeleton.learn(messages, (shown) => rendered(shown, render(shown, false))) ?? 'none';
      this.#shapes.set(shape, known);
    } else if (known === undefined && this.#shapes.size < MOST_SHAPES) {
      this.#shapes.set(shape, 'seen');
    }
    if (!(known instanceof ChatSkeleton)) return rendered(messages, render(messages, false));
    const contents = messages.map(({ content }) => content);
    const predicted = known.fill(contents);
    const reading = (this.#reading ??= this.#readTemplate());
    if (reading !== 'unknown' && contents.every((content) => isOpaque(content, reading))) return predicted;
    const text = render(messages, false);
    if (text === predicted.text) return predicted;
    // Many templates strip contents.
    const stripped = known.fill(contents.map((content) => content.trim()));
    return text === stripped.text ? stripped : rendered(messages, text);
  }

  #readTemplate(): TemplateReading | 'unknown' {
    const { chatTemplate } = this.#tokenizer;
    const reading = chatTemplate === undefined ? undefined : readTemplate(chatTemplate);
    return reading === undefined || reading.words.some(standInHolds) ? 'unknown' : reading;
  }

  /** Unmasks up to the turn's last special token; masks the newline or the like behind it. */
  #addAnswer(tokens: Pieces, ids: Int32Array, others: number, turn: number, last: boolean): void {
    let stop = ids.length - 1;
    while (stop >= 0 && !this.#special.has(ids[stop]!)) stop--;
    if (stop >= 0 && this.#isBlankFrom(ids, stop + 1)) {
      tokens.add(ids.subarray(0, stop + 1), 1);
      tokens.add(ids.subarray(stop + 1), others);
      tokens.stops.push(ids[stop]!);
      return;
    }
    const { eosTokenId } = this.#tokenizer;
    if (last && eosTokenId !== undefined) {
      tokens.add(ids, 1);
      tokens.add(Int32Array.of(eosTokenId), 1);
      tokens.stops.push(eosTokenId);
      return;
    }
    const behind = this.#tokenizer.decode(ids.subarray(stop + 1));
    throw new LlmkitError('data', `the chat template does not end turn ${turn + 1} in a special token`, {
      got: excerpt(behind, behind.length),
      hint: 'without one the model never learns to stop: put {{ eos_token }} behind the content of assistant turns',
    });
  }

  #isBlankFrom(ids: Int32Array, from: number): boolean {
    for (let i = from; i < ids.length; i++) {
      const id = ids[i]!;
      let blank = this.#isBlank.get(id);
      if (blank === undefined) {
        blank = this.#tokenizer.decode([id]).trim() === '';
        this.#isBlank.set(id, blank);
      }
      if (!blank) return false;
    }
    return true;
  }
}

/** Runs of tokens, each all targets or none. */
class Pieces {
  readonly stops: number[] = [];
  readonly #ids: Int32Array[] = [];
  readonly #targets: number[] = [];
  #length = 0;

  add(ids: Int32Array, target: number): void {
    if (ids.length === 0) return;
    this.#ids.push(ids);
    this.#targets.push(target);
    this.#length += ids.length;
  }

  join(): ChatTokens {
    const inputIds = new Int32Array(this.#length);
    const isTarget = new Uint8Array(this.#length);
    let at = 0;
    for (const [i, ids] of this.#ids.entries()) {
      inputIds.set(ids, at);
      if (this.#targets[i] === 1) isTarget.fill(1, at, at + ids.length);
      at += ids.length;
    }
    return { inputIds, isTarget, stops: this.stops };
  }
}
