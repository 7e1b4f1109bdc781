import { z } from 'zod';
import { fileOrFolder } from './common.ts';

export const modelSchema = z.strictObject({
  name_or_path: fileOrFolder
    .optional()
    .describe('Folder of the base checkpoint: config.json, safetensors and tokenizer, as transformers saves them.'),
  tokenizer: fileOrFolder.optional().describe('Folder of the tokenizer, when it does not lie beside the checkpoint.'),
});

export const modelPaths = ['name_or_path', 'tokenizer'];

export type ModelConfig = z.output<typeof modelSchema>;
