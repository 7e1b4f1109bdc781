import { LlmkitError } from '../core/errors.ts';
import type { ChatMessage, Tokenizer } from '../tokenizer/index.ts';
import type { SpecialTokens } from './special-tokens.ts';

/** Characters `start` to `end` of the rendered conversation: one assistant turn with what ends it. */
interface Span {
  turn: number;
  start: number;
  end: number;
}

/** A conversation as tokens; `stops` are the tokens that end its trained turns. */
export interface ChatTokens {
  inputIds: number[];
  isTarget: number[];
  stops: number[];
}

/**
 * Renders a conversation and marks the assistant's turns as targets. Where a turn begins is found by rendering what
 * comes before it with the generation prompt: exactly the text that the model will be given when it generates. The text
 * is encoded piece by piece between those places, so the tokens too are those of generation, and no token straddles the
 * border between prompt and answer.
 *
 * Every trained turn ends in an unmasked special token (the one generation stops at); what the template puts behind it
 * is not trained. A last turn without one gets the tokenizer's EOS.
 *
 * @throws LlmkitError('data') when the template does not end a turn, or shows earlier turns differently later.
 */
export function encodeChat(
  messages: ChatMessage[],
  tokenizer: Tokenizer,
  special: SpecialTokens,
  trainOn: 'answers' | 'all',
): ChatTokens {
  const text = tokenizer.applyChatTemplate(messages);
  const tokens: ChatTokens = { inputIds: [], isTarget: [], stops: [] };
  const others = trainOn === 'all' ? 1 : 0;
  const push = (piece: string, target: number) => {
    for (const id of tokenizer.encode(piece, { addSpecialTokens: false })) {
      tokens.inputIds.push(id);
      tokens.isTarget.push(target);
    }
  };
  let at = 0;
  for (const span of findSpans(messages, text, tokenizer, special)) {
    push(text.slice(at, span.start), others);
    const first = tokens.inputIds.length;
    push(text.slice(span.start, span.end), 1);
    endTurn(tokens, first, others, tokenizer, special, span.turn === messages.length - 1, span.turn);
    at = span.end;
  }
  push(text.slice(at), others);
  return tokens;
}

function findSpans(messages: ChatMessage[], text: string, tokenizer: Tokenizer, special: SpecialTokens): Span[] {
  const spans: Span[] = [];
  messages.forEach((message, turn) => {
    if (message.role !== 'assistant' || (message.content.trim() === '' && message['tool_calls'] === undefined)) return;
    const prompt = tokenizer.applyChatTemplate(messages.slice(0, turn), { addGenerationPrompt: true });
    if (!text.startsWith(prompt)) {
      throw new LlmkitError('data', `the chat template shows what comes before turn ${turn + 1} differently later on`, {
        expected: excerpt(prompt, firstDifference(prompt, text)),
        got: excerpt(text, firstDifference(prompt, text)),
        hint: 'train on the last turn only (cut the conversation there), or use a template that keeps earlier turns',
      });
    }
    const last = turn === messages.length - 1;
    const upTo = last ? text : tokenizer.applyChatTemplate(messages.slice(0, turn + 1));
    const end = text.startsWith(upTo)
      ? upTo.length
      : endOfContent(message.content, text, prompt.length, turn, tokenizer, special);
    spans.push({ turn, start: prompt.length, end });
  });
  return spans;
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
  // A template may drop a reasoning block from earlier turns and keep what comes after it.
  const kept = content.split('</think>').at(-1)!;
  const found = [content, content.trim(), kept.trim()].find((part) => part !== '' && text.includes(part, from));
  if (found === undefined) {
    throw new LlmkitError('data', `the chat template does not show the content of turn ${turn + 1} as it is`, {
      got: excerpt(text, from),
      hint: 'use a template that shows the content of every turn',
    });
  }
  const end = text.indexOf(found, from) + found.length;
  const rest = tokenizer.encode(text.slice(end), { addSpecialTokens: false });
  const stop = rest.find((id) => special.has(id));
  if (stop === undefined) return end;
  const stopText = tokenizer.idToToken(stop)!;
  return text.indexOf(stopText, end) + stopText.length;
}

/** Unmasks up to the turn's last special token; masks the newline or the like behind it. */
function endTurn(
  tokens: ChatTokens,
  first: number,
  others: number,
  tokenizer: Tokenizer,
  special: SpecialTokens,
  last: boolean,
  turn: number,
): void {
  let stop = tokens.inputIds.length - 1;
  while (stop >= first && !special.has(tokens.inputIds[stop]!)) stop--;
  const behind = tokenizer.decode(tokens.inputIds.slice(stop + 1));
  if (stop >= first && behind.trim() === '') {
    for (let i = stop + 1; i < tokens.inputIds.length; i++) tokens.isTarget[i] = others;
    tokens.stops.push(tokens.inputIds[stop]!);
    return;
  }
  if (last && tokenizer.eosTokenId !== undefined) {
    tokens.inputIds.push(tokenizer.eosTokenId);
    tokens.isTarget.push(1);
    tokens.stops.push(tokenizer.eosTokenId);
    return;
  }
  throw new LlmkitError('data', `the chat template does not end turn ${turn + 1} in a special token`, {
    got: excerpt(behind, behind.length),
    hint: 'without one the model never learns to stop: put {{ eos_token }} behind the content of assistant turns',
  });
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

function excerpt(text: string, at: number): string {
  return JSON.stringify(text.slice(Math.max(0, at - 40), at + 20));
}
