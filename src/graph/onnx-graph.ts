export type * from '../io/onnx-graph.ts';
