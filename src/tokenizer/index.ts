/** Tokenizers: load one from a checkpoint, train byte-level BPE, write one that transformers loads. */
export { wellFormed } from './byte-level.ts';
export type { WordCounts } from './byte-words.ts';
export { countWords } from './count-words.ts';
export { IdBuffer } from './id-buffer.ts';
export { loadTokenizer, tokenizerFromJson } from './load.ts';
export { packWordCounts, WordCountsSum } from './packed-counts.ts';
export { copyTokenizer, saveTokenizer, TOKENIZER_FILES, type TokenizerSettings } from './save.ts';
export { type PretokenizerName, trainBpe, type TrainBpeOptions, trainFromCounts } from './train.ts';
export type { ChatMessage, ChatOptions, StreamDecoder, Tokenizer, TokenizerJson } from './types.ts';
