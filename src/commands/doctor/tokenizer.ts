import { tokenizerFromJson, trainBpe } from '../../tokenizer/index.ts';
import { type Check, guarded } from './check.ts';

const TEXT = 'Where is my card? 我的卡在哪里？ naïve café 🙂👩‍👧 x = y**2;\n\tend';

/** Trains a small byte-level BPE, encodes a text of many scripts and decodes it again. */
export function checkTokenizer(): Promise<Check> {
  return guarded(
    'tokenizer',
    async () => {
      const json = await trainBpe([TEXT, TEXT], { vocabSize: 300, specialTokens: [], pretokenizer: 'gpt2' });
      const tokenizer = tokenizerFromJson(json);
      const ids = tokenizer.encode(TEXT);
      const back = tokenizer.decode(ids);
      if (back !== TEXT)
        return {
          name: 'tokenizer',
          status: 'failed',
          detail: `gave back ${JSON.stringify(back)}`,
          hint: 'this is a bug in llmkit: please report it',
        };
      return { name: 'tokenizer', status: 'ok', detail: `${TEXT.length} characters to ${ids.length} tokens and back` };
    },
    'npm ci',
  );
}
