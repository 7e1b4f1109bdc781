import { LlmkitError } from '../../core/errors.ts';
import type { ChatMessage, Tokenizer } from '../../tokenizer/index.ts';
import type { SpecialTokens } from './special-tokens.ts';
import type { TurnMarks } from './train-marks.ts';

/** Characters `start` to `end` of the rendered conversation. */
export interface Span {
  turn: number;
  start: number;
  end: number;
  /** An answer with what ends it, to be trained; otherwise a whole turn without loss. */
  answer: boolean;
}

/** Renders the first messages of a conversation, with its tools. */
export type Render = (messages: ChatMessage[], addGenerationPrompt: boolean) => string;

/**
 * Finds turns in a rendered conversation. Where an answer begins is found by rendering what comes before it with the
 * generation prompt: exactly the text that the model will be given when it generates.
 *
 * @param text all messages, rendered.
 * @throws LlmkitError('data') when the template shows earlier turns differently later on.
 */
export function findSpans(
  messages: ChatMessage[],
  text: string,
  marks: TurnMarks,
  render: Render,
  tokenizer: Tokenizer,
  special: SpecialTokens,
): Span[] {
  const spans: Span[] = [];
  for (const turn of marks.answers) {
    const start = promptOf(messages, turn, text, render).length;
    const last = turn === messages.length - 1;
    const upTo = last ? text : render(messages.slice(0, turn + 1), false);
    const end = text.startsWith(upTo)
      ? upTo.length
      : endOfContent(messages[turn]!.content, text, start, turn, tokenizer, special);
    spans.push({ turn, start, end, answer: true });
  }
  for (const turn of marks.masked) {
    const before = turn === 0 ? '' : render(messages.slice(0, turn), false);
    const upTo = turn === messages.length - 1 ? text : render(messages.slice(0, turn + 1), false);
    for (const part of [before, upTo]) if (!text.startsWith(part)) throw changed(part, text, turn);
    spans.push({ turn, start: before.length, end: upTo.length, answer: false });
  }
  return marks.masked.length === 0 ? spans : spans.sort((a, b) => a.turn - b.turn);
}

/** What stands before the answer of a turn. */
function promptOf(messages: ChatMessage[], turn: number, text: string, render: Render): string {
  if (turn === 0) return openingOf(messages, text, render);
  const prompt = render(messages.slice(0, turn), true);
  if (!text.startsWith(prompt)) throw changed(prompt, text, turn);
  return prompt;
}

/**
 * A conversation that the assistant opens. Many templates cannot render no messages at all; the generation prompt is
 * then known from what it adds to the first turn, and is looked for before the answer.
 */
function openingOf(messages: ChatMessage[], text: string, render: Render): string {
  let prompt: string | undefined;
  let refusal: unknown;
  try {
    prompt = render([], true);
    if (text.startsWith(prompt)) return prompt;
  } catch (error) {
    if (!(error instanceof LlmkitError)) throw error;
    refusal = error;
  }
  const first = messages.slice(0, 1);
  const [without, withPrompt] = [render(first, false), render(first, true)];
  const opening = withPrompt.startsWith(without) ? withPrompt.slice(without.length) : '';
  const at = text.indexOf(opening) + opening.length;
  if (opening !== '' && at >= opening.length && text.startsWith(messages[0]!.content.trim(), at))
    return text.slice(0, at);
  throw refusal ?? changed(prompt ?? '', text, 0);
}

function changed(before: string, text: string, turn: number): LlmkitError {
  const at = firstDifference(before, text);
  return new LlmkitError('data', `the chat template shows what comes before turn ${turn + 1} differently later on`, {
    expected: excerpt(before, at),
    got: excerpt(text, at),
    hint: 'train on the last answer only (prepare.train_on: last), or use a template that keeps earlier turns',
  });
}

/** For templates that show a turn differently once others follow: behind the content and the special token after it. */
function endOfContent(
  content: string,
  text: string,
  from: number,
  turn: number,
  tokenizer: Tokenizer,
  special: SpecialTokens,
): number {
  // A template may strip contents, or drop a reasoning block from earlier turns and keep what comes after it.
  const kept = content.split('</think>').at(-1)!;
  let end = -1;
  let begin = text.length;
  for (const part of [content, content.trim(), kept.trim()]) {
    const at = part === '' ? -1 : text.indexOf(part, from);
    // Further on it may stand in another turn.
    if (at < 0 || at >= begin) continue;
    [begin, end] = [at, at + part.length];
  }
  if (end < 0) {
    throw new LlmkitError('data', `the chat template does not show the content of turn ${turn + 1} as it is`, {
      got: excerpt(text, from),
      hint: 'use a template that shows the content of every turn',
    });
  }
  const rest = tokenizer.encode(text.slice(end), { addSpecialTokens: false });
  const stop = rest.find((id) => special.has(id));
  if (stop === undefined) return end;
  const stopText = tokenizer.idToToken(stop)!;
  return text.indexOf(stopText, end) + stopText.length;
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

/** For errors. */
export function excerpt(text: string, at: number): string {
  return JSON.stringify(text.slice(Math.max(0, at - 40), at + 20));
}
