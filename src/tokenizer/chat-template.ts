import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { LlmkitError } from '../core/errors.ts';
import { locateSyntaxError } from './chat-template-errors.ts';
import { rewriteStrips, STRIP_FUNCTIONS } from './chat-template-strip.ts';
import type { ChatMessage, ChatOptions } from './types.ts';

/**
 * A chat template in Jinja, rendered as transformers does: trim_blocks and lstrip_blocks, `raise_exception`,
 * `strftime_now`, and the special tokens by name. The library prints True, None, lists and dicts as JSON does
 * (`true`, nothing, `["a"]`), not as Python; templates that print them unfiltered differ there.
 */
export class ChatTemplate {
  readonly source: string;
  readonly #where: string;
  readonly #default: Template;
  readonly #forTools: Template | undefined;

  /**
   * @param where the file (and key), for errors.
   * @param toolSource the template to use when tools are given, where a tokenizer has one of its own.
   */
  constructor(source: string, where: string, toolSource?: string) {
    this.source = source;
    this.#where = where;
    this.#default = compile(source, where);
    this.#forTools = toolSource === undefined ? undefined : compile(toolSource, where);
  }

  /** Throws `data` when the template refuses the messages or fails on them. */
  render(messages: ChatMessage[], specialTokens: Readonly<Record<string, string>>, options: ChatOptions): string {
    const { addGenerationPrompt = false, tools = null, variables = {} } = options;
    const template = tools !== null && this.#forTools !== undefined ? this.#forTools : this.#default;
    let refusal: string | undefined;
    const context = {
      ...GLOBALS,
      ...specialTokens,
      messages,
      tools,
      documents: null,
      add_generation_prompt: addGenerationPrompt,
      strftime_now: (format: string) => strftime(new Date(), format),
      raise_exception: (message: string) => {
        refusal = message;
        throw new Error(message);
      },
      ...variables,
    };
    try {
      return run(template, context);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LlmkitError(
        'data',
        refusal === undefined ? `the chat template failed: ${reason}` : `the chat template refuses: ${refusal}`,
        {
          where: this.#where,
          got: `messages of the roles ${messages.map((message) => message.role).join(', ') || '(none)'}`,
          hint:
            refusal === undefined
              ? 'look at the fields that the template reads from the messages'
              : 'change the messages to what the template asks for',
          cause,
        },
      );
    }
  }
}

/** What every template may use. In the library's own `render` some of these names cannot be given anew. */
const GLOBALS = {
  ...STRIP_FUNCTIONS,
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range: (first: number, second?: number, step = 1): number[] => {
    const [start, stop] = second === undefined ? [0, first] : [first, second];
    const length = Math.max(0, Math.ceil((stop - start) / step));
    return Array.from({ length }, (_, i) => start + i * step);
  },
};

function run(template: Template, context: Record<string, unknown>): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries(context)) environment.set(name, value);
  return String(new Interpreter(environment).run(template.parsed).value);
}

function compile(source: string, where: string): Template {
  try {
    const template = new Template(source);
    rewriteStrips(template.parsed);
    return template;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const place = locateSyntaxError(source);
    throw new LlmkitError('data', `the chat template is not valid Jinja: ${place?.message ?? reason}`, {
      where: place === undefined ? where : `${where}:${place.line}:${place.column}`,
      ...(place === undefined ? {} : { got: place.tag }),
      hint: 'mend the template at that place, or take the one of the original checkpoint',
      cause,
    });
  }
}

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** Python's strftime in the C locale, for the directives that templates use. */
export function strftime(date: Date, format: string): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const values: Record<string, () => string> = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    H: () => two(date.getHours()),
    I: () => two(date.getHours() % 12 || 12),
    p: () => (date.getHours() < 12 ? 'AM' : 'PM'),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    B: () => MONTHS[date.getMonth()]!,
    b: () => MONTHS[date.getMonth()]!.slice(0, 3),
    A: () => DAYS[date.getDay()]!,
    a: () => DAYS[date.getDay()]!.slice(0, 3),
    '%': () => '%',
  };
  return format.replace(/%(.)/g, (whole, letter: string) => values[letter]?.() ?? whole);
}
