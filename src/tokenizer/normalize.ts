import { Unsupported } from './pre-tokenizer.ts';
import type { ComponentJson } from './types.ts';
import { INERT } from './unicode-ranges.ts';
import { classOf } from './unicode.ts';

type Form = 'NFC' | 'NFD' | 'NFKC' | 'NFKD';

/** What a tokenizer.json's `normalizer` does to text; undefined when nothing. Throws `Unsupported` for other kinds. */
export function buildNormalizer(json: ComponentJson | null): ((text: string) => string) | undefined {
  if (json === null) return undefined;
  if (json.type === 'Sequence') {
    const steps = (json['normalizers'] as ComponentJson[]).map(buildNormalizer).filter((step) => step !== undefined);
    return steps.length === 0 ? undefined : (text) => steps.reduce((value, step) => step(value), text);
  }
  if (!['NFC', 'NFD', 'NFKC', 'NFKD'].includes(json.type)) throw new Unsupported(`its normalizer is ${json.type}`);
  return (text) => normalize(text, json.type as Form);
}

/**
 * The Unicode normal form with the tables of HF tokenizers, which are those of Unicode 9: characters that came later are
 * to them neither marks nor composed of others.
 */
function normalize(text: string, form: Form): string {
  const normal = text.normalize(form);
  // What today's tables leave as it is the older ones do as well: they know fewer characters that change.
  if (normal === text || !inert().test(text)) return normal;
  return text
    .split(inert())
    .map((part, i) => (i % 2 === 0 ? part.normalize(form) : part))
    .join('');
}

let inertPattern: RegExp | undefined;

function inert(): RegExp {
  inertPattern ??= new RegExp(`([${classOf(INERT)}])`, 'u');
  return inertPattern;
}
