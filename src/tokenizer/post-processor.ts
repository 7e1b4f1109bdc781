import type { ComponentJson } from './types.ts';
import { Unsupported } from './pre-tokenizer.ts';

/** Ids put around one sequence when special tokens are asked for. */
export interface Frame {
  prefix: number[];
  suffix: number[];
}

/** Reads `post_processor`: what a single sequence is framed with. Throws `Unsupported` for kinds it does not know. */
export function buildFrame(json: ComponentJson | null): Frame {
  if (json === null || json.type === 'ByteLevel') return { prefix: [], suffix: [] };
  if (json.type === 'Sequence') {
    const frames = (json['processors'] as ComponentJson[]).map(buildFrame);
    return {
      prefix: frames.toReversed().flatMap((frame) => frame.prefix),
      suffix: frames.flatMap((frame) => frame.suffix),
    };
  }
  if (json.type === 'TemplateProcessing') return templateFrame(json);
  if (json.type === 'RobertaProcessing' || json.type === 'BertProcessing') {
    const id = (name: string): number => (json[name] as [string, number])[1];
    return { prefix: [id('cls')], suffix: [id('sep')] };
  }
  throw new Unsupported(`its post-processor is ${json.type}`);
}

type TemplatePart = { Sequence: { id: string } } | { SpecialToken: { id: string } };

function templateFrame(json: ComponentJson): Frame {
  const specials = json['special_tokens'] as Record<string, { ids: number[] }>;
  const frame: Frame = { prefix: [], suffix: [] };
  let side = frame.prefix;
  for (const part of json['single'] as TemplatePart[]) {
    if ('Sequence' in part) {
      if (side === frame.suffix) throw new Unsupported('its template holds the text twice');
      side = frame.suffix;
    } else {
      side.push(...(specials[part.SpecialToken.id]?.ids ?? []));
    }
  }
  if (side === frame.prefix) throw new Unsupported('its template leaves out the text');
  return frame;
}
