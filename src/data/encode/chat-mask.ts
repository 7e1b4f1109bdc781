import { LlmkitError } from '../../core/errors.ts';
import { type ChatMessage, IdBuffer, type Tokenizer } from '../../tokenizer/index.ts';
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
  readonly #runs = new Runs();
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
    const runs = this.#runs;
    runs.begin(trainOn === 'all');
    let at = 0;
    for (const span of spans) {
      this.#add(text.slice(at, span.start));
      runs.end(runs.others);
      this.#add(text.slice(span.start, span.end));
      if (span.answer) this.#endAnswer(span.turn, span.turn === messages.length - 1);
      else runs.end(false);
      at = span.end;
    }
    this.#add(text.slice(at));
    runs.end(runs.others);
    return runs.result();
  }

  #add(text: string): void {
    this.#tokenizer.encodeInto(text, this.#runs.ids, { addSpecialTokens: false });
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

  /** Unmasks the answer that was added, up to its last special token; masks the newline or the like behind it. */
  #endAnswer(turn: number, last: boolean): void {
    const runs = this.#runs;
    const ids = runs.ids.ids.subarray(runs.done, runs.ids.length);
    let stop = ids.length - 1;
    while (stop >= 0 && !this.#special.has(ids[stop]!)) stop--;
    if (stop >= 0 && this.#isBlankFrom(ids, stop + 1)) {
      runs.stops.push(ids[stop]!);
      runs.end(true, runs.done + stop + 1);
      runs.end(runs.others);
      return;
    }
    const { eosTokenId } = this.#tokenizer;
    if (last && eosTokenId !== undefined) {
      runs.ids.push(eosTokenId);
      runs.stops.push(eosTokenId);
      runs.end(true);
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

/** The tokens of one conversation as they come, in runs that are all targets or none; used again for the next. */
class Runs {
  readonly ids = new IdBuffer();
  stops: number[] = [];
  /** Whether what is not an answer is target. */
  others = false;
  /** Tokens of runs that have ended. */
  done = 0;
  /** Pairs of where a run of targets begins and ends. */
  #targets: number[] = [];

  begin(others: boolean): void {
    this.ids.clear();
    this.stops = [];
    this.others = others;
    this.done = 0;
    this.#targets = [];
  }

  /** Ends a run with what has been added, or before `at`. */
  end(target: boolean, at = this.ids.length): void {
    if (target) this.#targets.push(this.done, at);
    this.done = at;
  }

  result(): ChatTokens {
    const inputIds = this.ids.slice();
    const isTarget = new Uint8Array(inputIds.length);
    for (let i = 0; i < this.#targets.length; i += 2) isTarget.fill(1, this.#targets[i], this.#targets[i + 1]);
    return { inputIds, isTarget, stops: this.stops };
  }
}
