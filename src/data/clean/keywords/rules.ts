import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { isMap, parseDocument } from 'yaml';
import { z } from 'zod';
import { displayPath } from '../../../config/index.ts';
import { errorsOfIssues } from '../../../config/issues.ts';
import { configError } from '../../../config/places.ts';
import { locate, toPlain, type Tree } from '../../../config/tree.ts';
import { parseYaml } from '../../../config/yaml.ts';
import { LlmkitError, LlmkitErrors } from '../../../core/errors.ts';
import { boundedRegex, UnsafeRegex } from './regex-cost.ts';

const LONGEST_WORD = 200;

const ruleSchema = z.strictObject({
  name: z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N} _-]*$/u, { error: 'expected letters, digits, spaces, _ and -' }),
  words: z.array(z.string().min(1).max(LONGEST_WORD)).default([]),
  regex: z.union([z.string().min(1), z.array(z.string().min(1))]).default([]),
  severity: z.enum(['drop', 'redact', 'flag']),
  ignore_case: z.boolean().default(true),
  whole_word: z.boolean().default(true),
});

const fileSchema = z.strictObject({ rules: z.array(ruleSchema).min(1) });

/** One rule of a file, checked; `regex` has the open repeats ended. */
export interface KeywordRule {
  name: string;
  severity: 'drop' | 'redact' | 'flag';
  words: string[];
  regex: RegExp[];
  ignoreCase: boolean;
  wholeWord: boolean;
}

/** A rule file, or a folder of them, and the place of the config that names it. */
export interface KeywordSource {
  path: string;
  where: string;
}

/**
 * Reads rule files.
 * @throws LlmkitError config: everything that is wrong, with file, line and column.
 */
export function readRules(sources: readonly KeywordSource[]): KeywordRule[] {
  const errors: LlmkitError[] = [];
  const rules: KeywordRule[] = [];
  const places = new Map<string, string>();
  for (const source of sources) {
    for (const file of filesOf(source)) rules.push(...readFile(file, source.where, places, errors));
  }
  if (errors.length === 1) throw errors[0]!;
  if (errors.length > 1) throw new LlmkitErrors('config', `${errors.length} errors in keyword rules`, errors);
  return rules;
}

function filesOf(source: KeywordSource): string[] {
  let folder: boolean;
  try {
    folder = statSync(source.path).isDirectory();
  } catch (cause) {
    throw unreadable(source.path, source.where, cause);
  }
  if (!folder) return [source.path];
  const names = readdirSync(source.path).filter((name) => /\.ya?ml$/i.test(name));
  if (names.length > 0) return names.sort().map((name) => path.join(source.path, name));
  throw new LlmkitError('config', `the folder ${displayPath(source.path)} has no rule files`, {
    where: source.where,
    expected: '.yaml files',
  });
}

function unreadable(file: string, where: string, cause: unknown): LlmkitError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  const message = code === 'ENOENT' ? 'there is no such rule file' : `the rule file cannot be read: ${code}`;
  const hint = 'configs/keywords/example.yaml shows what one looks like';
  return new LlmkitError('config', message, { where, got: displayPath(file), hint, cause });
}

function readFile(file: string, where: string, places: Map<string, string>, errors: LlmkitError[]): KeywordRule[] {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (cause) {
    errors.push(unreadable(file, where, cause));
    return [];
  }
  const document = parseDocument(text);
  if (document.errors.length === 0 && !isMap(document.contents)) {
    errors.push(
      new LlmkitError('config', 'a rule file holds a list of rules', {
        where: displayPath(file),
        expected: 'rules: [{ name, words or regex, severity }]',
        got: document.contents === null ? 'nothing' : 'something else',
      }),
    );
    return [];
  }
  const tree = parseYaml(text, file, errors);
  if (tree === undefined) return [];
  const value = toPlain(tree);
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    errors.push(...errorsOfIssues(parsed.error.issues, tree, value, z.toJSONSchema(fileSchema, { io: 'input' })));
    return [];
  }
  return parsed.data.rules.map((rule, i) => checkedRule(rule, i, tree, places, errors));
}

function checkedRule(
  rule: z.output<typeof ruleSchema>,
  index: number,
  tree: Tree,
  places: Map<string, string>,
  errors: LlmkitError[],
): KeywordRule {
  const at = (...keys: (string | number)[]) => locate(tree, ['rules', index, ...keys]).value;
  const fail = (message: string, keys: (string | number)[], details: object) =>
    errors.push(configError(message, at(...keys), ['rules', index, ...keys], details));
  const sources = typeof rule.regex === 'string' ? [rule.regex] : rule.regex;
  if (rule.words.length === 0 && sources.length === 0) {
    fail(`the rule ${rule.name} looks for nothing`, [], { expected: 'words, or a regex' });
  }
  const earlier = places.get(rule.name);
  if (earlier !== undefined)
    fail(`two rules are called ${rule.name}`, ['name'], { hint: `the other is at ${earlier}` });
  const name = configError('', at('name'), []).where;
  if (earlier === undefined && name !== undefined) places.set(rule.name, name);
  for (const [i, word] of rule.words.entries()) {
    if (word.trim() !== word) fail('a word has white space around it', ['words', i], { got: JSON.stringify(word) });
  }
  const regex = sources.flatMap((source, i) => {
    const keys = typeof rule.regex === 'string' ? ['regex'] : ['regex', i];
    try {
      return [compile(source, rule.ignore_case)];
    } catch (error) {
      if (error instanceof UnsafeRegex) fail(error.message, keys, { got: source, hint: error.hint });
      else if (error instanceof SyntaxError) fail(`not a regular expression: ${error.message}`, keys, { got: source });
      else throw error;
      return [];
    }
  });
  const { severity, words, ignore_case: ignoreCase, whole_word: wholeWord } = rule;
  return { name: rule.name, severity, words, regex, ignoreCase, wholeWord };
}

function compile(source: string, ignoreCase: boolean): RegExp {
  const flags = ignoreCase ? 'giu' : 'gu';
  // First as it stands, so that syntax errors speak of what was written.
  const written = new RegExp(source, flags);
  if (written.test(''))
    throw new UnsafeRegex('the regex matches the empty text', 'let it match a character at least: + for *');
  return new RegExp(boundedRegex(source, flags), flags);
}
