/** Tokenizers: load one from a checkpoint, train byte-level BPE, write one that transformers loads. */
export { loadTokenizer, tokenizerFromJson } from './load.ts';
export { copyTokenizer, saveTokenizer, TOKENIZER_FILES, type TokenizerSettings } from './save.ts';
export { type PretokenizerName, trainBpe, type TrainBpeOptions } from './train.ts';
export type { ChatMessage, ChatOptions, StreamDecoder, Tokenizer, TokenizerJson } from './types.ts';
