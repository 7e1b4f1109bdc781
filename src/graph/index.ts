/** The graph room's front door. */
export * from './types.ts';
export * from './ops/sources.ts';
export * from './ops/elementwise.ts';
export * from './ops/layout.ts';
export * from './ops/reduce.ts';
export * from './ops/matmul.ts';
export * from './ops/indexing.ts';
export * from './composites/linear.ts';
export * from './composites/norm.ts';
export * from './composites/activation.ts';
export * from './composites/rotary.ts';
export * from './composites/attention.ts';
export * from './composites/token-loss.ts';
export { differentiable, differentiate } from './differentiate.ts';
export { expand, reachable, rewrite } from './rewrite.ts';
export { recompute } from './recompute.ts';
export { lowerToTensorFlow } from './lower-tensorflow.ts';
export type { TfTarget } from './tf-emission.ts';
