import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { stableStringify } from '../core/json.ts';
import { readJsonObject } from '../io/json-file.ts';
import { sha256File } from '../io/manifest.ts';

const FILE = 'tokenizer.json';

/**
 * Token ids mean nothing to a model that was trained with another tokenizer. Two are the same when their files are, or
 * their vocabulary and merges; templates, normalizers and tokens that only one of them adds may differ.
 *
 * @param prepared folder of the tokenizer that made the ids
 * @param model folder of the model's own; one without a tokenizer.json cannot be compared
 * @throws LlmkitError('data') naming both
 */
export function checkSameTokenizer(prepared: string, model: string): void {
  const [ours, theirs] = [join(prepared, FILE), join(model, FILE)];
  if (!existsSync(theirs) || sha256File(ours) === sha256File(theirs)) return;
  const [a, b] = [read(ours), read(theirs)];
  const what = a.vocab !== b.vocab ? 'another vocabulary' : a.merges !== b.merges ? 'other merges' : undefined;
  const moved = [...a.added].find(([id, token]) => b.added.has(id) && b.added.get(id) !== token);
  if (what === undefined && moved === undefined) return;
  throw new LlmkitError('data', 'the data was prepared with another tokenizer than the model has', {
    where: ours,
    expected: `the tokenizer of the model, ${theirs}`,
    got: what ?? `token ${moved![0]} is ${moved![1]}, not ${b.added.get(moved![0])}`,
    hint: 'prepare the data again with tokenizer: { from: model } and this model',
  });
}

/** Vocabulary and merges as text to compare, and the added tokens by id. */
function read(path: string): { vocab: string; merges: string; added: Map<number, string> } {
  const { model, added_tokens: added } = readJsonObject(path) as {
    model?: { vocab?: unknown; merges?: (string | string[])[] };
    added_tokens?: { id: number; content: string }[];
  };
  // Older files write a merge as one text, newer ones as a pair.
  const merges = (model?.merges ?? []).map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')));
  return {
    vocab: stableStringify(model?.vocab ?? null),
    merges: merges.join('\n'),
    added: new Map((added ?? []).map(({ id, content }) => [id, content])),
  };
}
