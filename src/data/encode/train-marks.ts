import { LlmkitError } from '../../core/errors.ts';
import type { PrepareConfig } from '../../config/index.ts';
import type { ChatMessage } from '../../tokenizer/index.ts';

export type TrainOn = PrepareConfig['train_on'];

/** Turns of a conversation whose tokens get another loss than the rest. */
export interface TurnMarks {
  /** Answers to train on, in order. */
  answers: number[];
  /** Turns that carry no loss though the rest does (`train_on: all`), in order. */
  masked: number[];
}

/** A message with the fields that ChatMessage does not name. */
type Fields = ChatMessage & Record<string, unknown>;

/** Fields of a message that say whether it is trained: llmkit's and axolotl's, axolotl's other name, OpenAI's. */
const MARKS = ['train', 'training', 'weight'] as const;
/** axolotl's loss by character offsets, which a mask of turns cannot follow. */
const DETAILS = ['train_detail', 'training_detail'] as const;

/**
 * Decides which turns are trained. A mark on a turn goes before `trainOn`: `train: true` trains an answer that
 * `last` would leave out. Answers without content are never trained.
 *
 * A mark that asks for loss on a turn that is not the assistant's is refused: where its loss would begin is not
 * defined, since only an assistant's turn has a place from which the model generates. Under `all` such a turn has loss.
 *
 * @param from turns before it belong to the prompt and are not trained (preference pairs).
 * @throws LlmkitError('data') for marks that cannot be followed.
 */
export function markTurns(messages: readonly ChatMessage[], trainOn: TrainOn, from = 0): TurnMarks {
  const marks: TurnMarks = { answers: [], masked: [] };
  const last = trainOn === 'last' ? messages.findLastIndex((message) => isAnswer(message as Fields)) : -1;
  for (let turn = 0; turn < messages.length; turn++) {
    const message = messages[turn] as Fields;
    const mark = markOf(message, turn);
    if (mark === true && message.role !== 'assistant' && trainOn !== 'all') {
      throw new LlmkitError('data', `turn ${turn + 1} asks for loss on what the ${message.role} says`, {
        expected: 'marks that train on turns of the assistant',
        got: `role ${message.role} with ${MARKS.find((name) => present(message[name]))}: true`,
        hint: 'take the mark off; prepare.train_on: all trains on every token, save turns with train: false',
      });
    }
    if (mark === false && trainOn === 'all') marks.masked.push(turn);
    else if (isAnswer(message) && turn >= from && (mark ?? (trainOn !== 'last' || turn === last))) {
      marks.answers.push(turn);
    }
  }
  return marks;
}

/** A turn of the assistant that says or calls something. */
function isAnswer(message: Fields): boolean {
  if (message.role !== 'assistant') return false;
  if (message.content.trim() !== '') return true;
  const { tool_calls: calls, reasoning_content: thoughts } = message;
  return (Array.isArray(calls) && calls.length > 0) || (typeof thoughts === 'string' && thoughts.trim() !== '');
}

function markOf(message: Fields, turn: number): boolean | undefined {
  let mark: boolean | undefined;
  for (const name of MARKS) {
    const value = message[name];
    if (!present(value)) continue;
    const asked =
      typeof value === 'boolean' ? value : name === 'weight' && (value === 0 || value === 1) ? value === 1 : undefined;
    if (asked === undefined || (mark !== undefined && mark !== asked)) {
      throw new LlmkitError('data', `the marks of turn ${turn + 1} cannot be followed`, {
        expected: 'train: true or false, or weight: 0 or 1',
        got: MARKS.filter((key) => present(message[key]))
          .map((key) => `${key}: ${JSON.stringify(message[key])}`)
          .join(', '),
        hint: 'a turn is trained or not; parts of the loss are not supported',
      });
    }
    mark = asked;
  }
  for (const name of DETAILS) {
    if (!present(message[name])) continue;
    throw new LlmkitError('data', `turn ${turn + 1} marks parts of its text (${name})`, {
      expected: 'train: true or false for the whole turn',
      hint: 'remove the field, or make turns of the parts',
    });
  }
  return mark;
}

/**
 * The messages as the template is to see them: without marks, and without the empty fields that columnar files give to
 * every message.
 */
export function withoutMarks(messages: ChatMessage[]): ChatMessage[] {
  if (messages.every(isPlain)) return messages;
  return messages.map((message) => {
    const kept = Object.entries(message).filter(([name, value]) => present(value) && !HIDDEN.has(name));
    return Object.fromEntries(kept) as unknown as ChatMessage;
  });
}

const HIDDEN: ReadonlySet<string> = new Set([...MARKS, ...DETAILS]);

/** Nothing but a role and content. */
export function isPlain(message: ChatMessage): boolean {
  let fields = 0;
  for (const _ in message) fields++;
  return fields === 2;
}

function present(value: unknown): boolean {
  return value !== undefined && value !== null;
}
