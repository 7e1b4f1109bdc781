/** Fixtures of test/golden/decoder: Llama in its variants, and one model of each other family. */
export const LLAMAS = ['llama-gqa', 'llama-gqa-tied', 'llama-rope-llama3', 'llama-bias', 'llama-head-dim'];
export const OTHER_FAMILIES = ['qwen2', 'qwen3', 'gpt-neox', 'gpt2'];
export const DECODERS = [...LLAMAS, ...OTHER_FAMILIES];
/** Those with the gradients of every parameter and twenty steps of full training. */
export const FULLY_TRAINED = ['llama-gqa', 'llama-gqa-tied', ...OTHER_FAMILIES];
