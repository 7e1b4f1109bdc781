/** Datasets on disk in the layout of HF datasets' `save_to_disk`, read and written batch by batch. */
export { type Cell, type Dataset, datasetSplits, openDataset, type Row } from './arrow-reader.ts';
export {
  type DatasetPiece,
  DatasetWriter,
  type DatasetWriterOptions,
  type Feature,
  type Features,
  joinDatasets,
  type Value,
  writeDatasetDict,
} from './arrow-writer.ts';
