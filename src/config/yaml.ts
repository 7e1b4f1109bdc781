import { readFileSync } from 'node:fs';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, Scalar, type Document, type Node } from 'yaml';
import { LlmkitError } from '../core/errors.ts';
import { configError, displayPath } from './places.ts';
import type { Entry, Place, Tree } from './tree.ts';

/**
 * Reads one YAML 1.2 file into a tree that knows its lines.
 * @throws LlmkitError config (missing, unreadable) or LlmkitErrors through `errors`: syntax errors are collected there.
 */
export function readYaml(file: string, errors: LlmkitError[]): Tree | undefined {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (cause) {
    errors.push(unreadable(file, cause));
    return undefined;
  }
  return parseYaml(text, file, errors);
}

/** The same for text already read; `file` is what errors name. */
export function parseYaml(text: string, file: string, errors: LlmkitError[]): Tree | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { version: '1.2', lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { kind: 'file', file, line, col };
  };
  for (const problem of [...document.errors, ...document.warnings]) errors.push(syntaxError(problem, text, place));
  if (document.errors.length > 0) return undefined;
  if (!isMap(document.contents)) {
    const got = document.contents === null ? 'nothing' : 'one value';
    errors.push(
      configError('a config file holds keys and values', place(0), [], {
        expected: 'a map: version, output_dir, ...',
        got,
      }),
    );
    return undefined;
  }
  return toTree(document.contents, document, place);
}

/** One value written outside a file, for `--set` and for expanded environment variables. */
export function parseValue(text: string, place: Place): Tree {
  const document = parseDocument(text, { version: '1.2', prettyErrors: false });
  const problem = document.errors[0];
  if (problem !== undefined) throw configError(`not YAML: ${problem.message}`, place, [], { got: text });
  if (document.contents === null) return { kind: 'leaf', value: null, plain: false, place };
  return toTree(document.contents, document, () => place);
}

function toTree(node: Node | null, document: Document.Parsed, place: (offset: number) => Place): Tree {
  const at = place(node?.range?.[0] ?? 0);
  if (isAlias(node)) return toTree(node.resolve(document) ?? null, document, place);
  if (isSeq(node))
    return { kind: 'list', items: node.items.map((item) => toTree(item as Node | null, document, place)), place: at };
  if (isMap(node)) {
    const entries = new Map<string, Entry>();
    for (const pair of node.items) {
      const key = pair.key as Node | null;
      const name = isScalar(key) ? String(key.value) : String(key);
      const keyPlace = place(key?.range?.[0] ?? 0);
      const value = pair.value as Node | null;
      entries.set(name, {
        place: keyPlace,
        value:
          value === null
            ? { kind: 'leaf', value: null, plain: false, place: keyPlace }
            : toTree(value, document, place),
      });
    }
    return { kind: 'map', entries, place: at };
  }
  if (!isScalar(node)) return { kind: 'leaf', value: null, plain: false, place: at };
  return { kind: 'leaf', value: node.value, plain: node.type === Scalar.PLAIN, place: at };
}

function syntaxError(
  problem: { code: string; message: string; pos: [number, number] },
  text: string,
  place: (offset: number) => Place,
): LlmkitError {
  const offset = problem.pos[0];
  if (problem.code === 'DUPLICATE_KEY') {
    const key = /^[^:\s]+/.exec(text.slice(offset))?.[0] ?? '';
    return configError(`the key ${key} is written twice`, place(offset), [], { hint: 'keep one of them' });
  }
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const line = text.slice(start, text.indexOf('\n', offset) < 0 ? undefined : text.indexOf('\n', offset));
  const hint = /\{.*\$\{/.test(line)
    ? 'inside { } quote it: "${NAME}"'
    : line.includes('\t')
      ? 'YAML indents with spaces, not tabs'
      : undefined;
  const message = problem.message.replace(/\.$/, '');
  return configError(`not YAML: ${message}`, place(offset), [], hint === undefined ? {} : { hint });
}

function unreadable(file: string, cause: unknown): LlmkitError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const where = displayPath(file);
  if (code === 'ENOENT') {
    return new LlmkitError('config', 'there is no such config file', {
      where,
      hint: 'configs/ holds ready ones: ls configs',
    });
  }
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
    return new LlmkitError('config', 'the config file is not UTF-8', { where });
  if (code === 'EISDIR')
    return new LlmkitError('config', 'a folder was given where a config file is expected', { where });
  return new LlmkitError('config', `the config file cannot be read: ${code || String(cause)}`, { where, cause });
}
