/** safetensors: positioned reading of one file or of shards, and streaming writing. */
export { DTYPE_BYTES, type SafetensorsDType, type TensorInfo } from './safetensors-header.ts';
export { openSafetensors, type SafetensorsFile, type WeightSource } from './safetensors-reader.ts';
export { type TensorToWrite, writeSafetensors } from './safetensors-writer.ts';
export { openWeights } from './weights.ts';
