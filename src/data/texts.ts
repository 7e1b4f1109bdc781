import type { ChatMessage } from '../tokenizer/index.ts';
import type { Example } from './types.ts';

/** Every text of an example in reading order, for dedup, filters and tokenizer training. */
export function textsOf(example: Example): string[] {
  switch (example.type) {
    case 'text':
      return [example.text];
    case 'messages':
      return example.messages.map((message) => message.content);
    case 'prompt-completion': {
      const { prompt, completion, system } = example;
      return system === undefined ? [prompt, completion] : [system, prompt, completion];
    }
    case 'preference': {
      const { prompt, chosen, rejected, system } = example;
      const texts = [prompt, chosen, rejected].flatMap((part) =>
        typeof part === 'string' ? [part] : part.map((message) => message.content),
      );
      return system === undefined ? texts : [system, ...texts];
    }
  }
}

/** The example as one document: what filters, language identification and dedup judge. */
export function documentOf(example: Example): string {
  return example.type === 'text' ? example.text : textsOf(example).join('\n');
}

/**
 * The example with every text replaced.
 *
 * @param change `whole` is false for prompts and completions, which are joined as they stand: their ends matter.
 */
export function mapTexts(example: Example, change: (text: string, whole: boolean) => string): Example {
  const chat = (messages: ChatMessage[]) =>
    messages.map((message) => {
      const content = change(message.content, true);
      return content === message.content ? message : { ...message, content };
    });
  const part = <T extends string | ChatMessage[]>(value: T): T =>
    (typeof value === 'string' ? change(value, false) : chat(value)) as T;
  switch (example.type) {
    case 'text':
      return { type: 'text', text: change(example.text, true) };
    case 'messages':
      return { ...example, messages: chat(example.messages) };
    case 'prompt-completion': {
      const { prompt, completion, system } = example;
      const changed = { ...example, prompt: part(prompt), completion: part(completion) };
      return system === undefined ? changed : { ...changed, system: change(system, true) };
    }
    case 'preference': {
      const { prompt, chosen, rejected, system } = example;
      const changed = { ...example, prompt: part(prompt), chosen: part(chosen), rejected: part(rejected) };
      return system === undefined ? changed : { ...changed, system: change(system, true) };
    }
  }
}
