import { LlmkitError } from '../core/errors.ts';
import type { AddedTokenJson, BpeModelJson, TokenizerJson } from './types.ts';

/** A tokenizer.json with any model. Throws `data` when parts that every kind has are missing or malformed. */
export function parseTokenizerJson(value: Record<string, unknown>, path: string): TokenizerJson<{ type: string }> {
  const model = value['model'];
  if (!isObject(model)) throw bad(path, 'model', 'an object', model, 'this is not a tokenizer.json of HF tokenizers');
  const added = value['added_tokens'] ?? [];
  if (!Array.isArray(added)) throw bad(path, 'added_tokens', 'a list', added);
  const component = (name: string): TokenizerJson['normalizer'] => {
    const part = value[name] ?? null;
    if (part !== null && (!isObject(part) || typeof part['type'] !== 'string')) {
      throw bad(path, name, 'null or an object with a type', part);
    }
    return part as TokenizerJson['normalizer'];
  };
  return {
    version: String(value['version'] ?? '1.0'),
    truncation: value['truncation'] ?? null,
    padding: value['padding'] ?? null,
    added_tokens: added.map((token, i) => addedToken(token, `${path}: added_tokens[${i}]`)),
    normalizer: component('normalizer'),
    pre_tokenizer: component('pre_tokenizer'),
    post_processor: component('post_processor'),
    decoder: component('decoder'),
    // Old files leave out the model's type; only BPE has merges.
    model: { ...model, type: typeof model['type'] === 'string' ? model['type'] : 'merges' in model ? 'BPE' : '' },
  };
}

function addedToken(value: unknown, where: string): AddedTokenJson {
  const fields = isObject(value) ? value : {};
  const { id, content } = fields;
  if (typeof content !== 'string' || !isId(id)) {
    throw new LlmkitError('data', 'an added token needs its content and its id', { where, got: short(value) });
  }
  const special = fields['special'] === true;
  const flag = (name: string, otherwise = false): boolean => (fields[name] as boolean | undefined) ?? otherwise;
  return {
    id,
    content,
    single_word: flag('single_word'),
    lstrip: flag('lstrip'),
    rstrip: flag('rstrip'),
    normalized: flag('normalized', !special),
    special,
  };
}

/**
 * Checks the BPE model of a tokenizer.json and brings it into one form (merges as pairs, absent settings filled in).
 * Throws `data` naming the entry: ids that are no ids or given twice, mostly missing ids, merges whose parts or result
 * are not in the vocabulary.
 */
export function parseBpe(json: TokenizerJson<{ type: string }>, path: string): TokenizerJson {
  const model = json.model as { type: string } & Record<string, unknown>;
  const vocab = checkedVocab(model['vocab'], json.added_tokens, path);
  const { merges } = model;
  if (!Array.isArray(merges)) throw bad(path, 'model.merges', 'a list', merges);
  const setting = (name: string): string | null => (model[name] as string | null | undefined) ?? null;
  const bpe: BpeModelJson = {
    type: 'BPE',
    dropout: (model['dropout'] as number | null | undefined) ?? null,
    unk_token: setting('unk_token'),
    continuing_subword_prefix: setting('continuing_subword_prefix'),
    end_of_word_suffix: setting('end_of_word_suffix'),
    fuse_unk: model['fuse_unk'] === true,
    byte_fallback: model['byte_fallback'] === true,
    ignore_merges: model['ignore_merges'] === true,
    vocab,
    merges: merges.map((merge: unknown, i) => mergePair(merge, `${path}: model.merges[${i}]`)),
  };
  const prefix = bpe.continuing_subword_prefix ?? '';
  for (const [i, [a, b]] of bpe.merges.entries()) {
    const merged = a + (b.startsWith(prefix) ? b.slice(prefix.length) : b);
    const missing = [a, b, merged].find((token) => !Object.hasOwn(vocab, token));
    if (missing === undefined) continue;
    throw new LlmkitError('data', `the merge of "${a}" and "${b}" needs the token "${missing}", which is missing`, {
      where: `${path}: model.merges[${i}]`,
      expected: 'both parts of a merge and its result in model.vocab',
      hint: 'vocab and merges are of different tokenizers, or the file was edited: fetch it again',
    });
  }
  return { ...json, model: bpe };
}

function checkedVocab(value: unknown, added: AddedTokenJson[], path: string): Record<string, number> {
  if (!isObject(value)) throw bad(path, 'model.vocab', 'an object from token to id', value);
  const vocab = value as Record<string, number>;
  const byId = new Map<number, string>();
  let largest = -1;
  const take = (token: string, id: unknown, where: string): void => {
    if (!isId(id)) throw bad(path, where, 'a whole number of at least 0', id);
    const other = byId.get(id);
    if (other !== undefined && other !== token) {
      throw new LlmkitError('data', `id ${id} belongs to two tokens, "${other}" and "${token}"`, {
        where: `${path}: ${where}`,
        hint: 'every token needs an id of its own: fetch the file again',
      });
    }
    byId.set(id, token);
    largest = Math.max(largest, id);
  };
  for (const token of Object.keys(vocab)) take(token, vocab[token], `model.vocab["${token}"]`);
  checkAddedIds(vocab, added, path);
  for (const [i, { id, content }] of added.entries()) take(content, id, `added_tokens[${i}].id`);
  // A hole does no harm by itself; a vocabulary that is mostly holes is damaged.
  if (largest + 1 > 2 * byId.size) {
    let hole = 0;
    while (byId.has(hole)) hole++;
    throw new LlmkitError('data', 'most ids of the vocabulary are missing', {
      where: `${path}: model.vocab`,
      expected: `tokens for the ids 0 to ${largest}`,
      got: `${byId.size} tokens; the first id without one is ${hole}`,
      hint: 'the file was cut or edited: fetch it again',
    });
  }
  return vocab;
}

/** HF tokenizers numbers added tokens itself, after the vocabulary, and ignores the ids in the file: they must agree. */
function checkAddedIds(vocab: Record<string, number>, added: AddedTokenJson[], path: string): void {
  const size = Object.keys(vocab).length;
  const ids = new Map<string, number>();
  let next = size;
  for (const [i, { id, content }] of added.entries()) {
    const inVocab = Object.hasOwn(vocab, content) ? vocab[content] : undefined;
    const expected = ids.get(content) ?? inVocab ?? next;
    if (id !== expected) {
      throw new LlmkitError(
        'data',
        `the added token "${content}" has the id ${id}, where HF tokenizers gives ${expected}`,
        {
          where: `${path}: added_tokens[${i}].id`,
          expected:
            inVocab === undefined ? `the next id after the vocabulary's ${size} tokens` : 'its id in model.vocab',
          got: String(id),
          hint: 'the vocabulary has holes or lost tokens: fetch the file again, or fill the holes with unused tokens',
        },
      );
    }
    ids.set(content, id);
    next = Math.max(next, id + 1);
  }
}

function mergePair(merge: unknown, where: string): [string, string] {
  // Written "a b" by older versions, ["a", "b"] by newer ones.
  const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
  if (Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === 'string' && part !== '')) {
    return pair as [string, string];
  }
  throw new LlmkitError('data', 'a merge must be two tokens', {
    where,
    expected: '["a", "b"] or "a b"',
    got: short(merge),
  });
}

function bad(path: string, key: string, expected: string, value: unknown, hint = 'fetch the file again'): LlmkitError {
  return new LlmkitError('data', `${key} is not what it should be`, {
    where: `${path}: ${key}`,
    expected,
    got: short(value),
    hint,
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
