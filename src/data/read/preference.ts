import type { ChatMessage } from '../../tokenizer/index.ts';
import type { PreferenceExample } from '../types.ts';
import { isAbsent, isTurn, mapDialog, withSystem, wrongCell } from './conversations.ts';

/** What a mapping makes of a role's cell. */
export interface Cells {
  cell(role: string): unknown;
  text(role: string): string;
  column(role: string): string;
  where: string;
}

/**
 * A preference row. The prompt is a column of its own (text or messages), the turns under `conversations` (LLaMA-Factory),
 * an alpaca instruction, or, where there is none, the messages that both answers begin with (TRL's implicit prompt).
 * Answers are texts, messages, or one message each.
 */
export function mapPreference(cells: Cells): PreferenceExample {
  const { cell, text, where } = cells;
  const system = isAbsent(cell('system')) ? undefined : text('system');
  const chosen = answerOf(cells, 'chosen');
  const rejected = answerOf(cells, 'rejected');
  if (same(chosen, rejected)) throw wrongCell('chosen and rejected are the same', 'two answers', chosen, where);
  const prompt = promptOf(cells);
  if (typeof prompt !== 'string' || typeof chosen !== 'string' || typeof rejected !== 'string') {
    const parts = dialogs(prompt, messagesOf(chosen), messagesOf(rejected), cells);
    return { type: 'preference', ...parts, prompt: withSystem(parts.prompt, system, where) };
  }
  return { type: 'preference', prompt, chosen, rejected, ...(system === undefined ? {} : { system }) };
}

function answerOf(cells: Cells, role: string): string | ChatMessage[] {
  const value = cells.cell(role);
  if (Array.isArray(value)) return mapDialog(value, cells.column(role), cells.where);
  return isTurn(value) ? mapDialog([value], cells.column(role), cells.where) : cells.text(role);
}

function promptOf({ cell, text, column, where }: Cells): string | ChatMessage[] | undefined {
  const prompt = cell('prompt');
  if (Array.isArray(prompt)) return mapDialog(prompt, column('prompt'), where);
  if (!isAbsent(prompt)) return text('prompt');
  if (!isAbsent(cell('conversations'))) return mapDialog(cell('conversations'), column('conversations'), where);
  if (isAbsent(cell('instruction'))) return undefined;
  return isAbsent(cell('input')) ? text('instruction') : `${text('instruction')}\n${text('input')}`;
}

/** Prompt and answers as messages, without the prompt in the answers. */
function dialogs(
  given: string | ChatMessage[] | undefined,
  chosen: ChatMessage[],
  rejected: ChatMessage[],
  { where }: Cells,
): { prompt: ChatMessage[]; chosen: ChatMessage[]; rejected: ChatMessage[] } {
  let shared = 0;
  while (shared < Math.min(chosen.length, rejected.length) && same(chosen[shared], rejected[shared])) shared++;
  const begins = chosen.slice(0, shared);
  let prompt = begins;
  if (typeof given === 'string') {
    // The text may be said again as the user's turn that both answers begin with.
    if (begins.length === 0) prompt = [{ role: 'user', content: given }];
    else if (begins.findLast(({ role }) => role === 'user')?.content !== given) {
      throw wrongCell('the prompt is not the last user turn of chosen and rejected', given.slice(0, 80), begins, where);
    }
  } else if (given !== undefined) {
    const repeated = given.length <= shared && same(begins.slice(0, given.length), given);
    if (!repeated) shared = 0;
    prompt = repeated ? begins : given;
  }
  if (prompt.at(-1)?.role === 'assistant') {
    throw wrongCell('the prompt ends with an answer', 'a prompt that ends with the user’s turn', prompt.at(-1), where);
  }
  const answers = { chosen: chosen.slice(shared), rejected: rejected.slice(shared) };
  for (const [name, messages] of Object.entries(answers)) {
    if (messages[0]?.role === 'assistant' && prompt.length > 0) continue;
    const expected = 'a prompt, then turns that begin with the assistant’s';
    throw wrongCell(`${name} has no answer to a prompt that both begin with`, expected, messages[0], where);
  }
  return { prompt, ...answers };
}

function messagesOf(answer: string | ChatMessage[]): ChatMessage[] {
  return typeof answer === 'string' ? [{ role: 'assistant', content: answer }] : answer;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
