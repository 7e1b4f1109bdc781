import type * as Converter from '@tensorflow/tfjs-converter';
import type * as Core from '@tensorflow/tfjs-core';
import { Random } from '../../core/random.ts';

/** What GraphModel hands to a registered op. */
interface GraphNode {
  inputs: Core.Tensor[];
  attrs: Record<string, unknown>;
}

type Executor = (node: GraphNode) => Core.Tensor | Core.Tensor[];

/**
 * Teaches GraphModel the ops it lacks or gets wrong on wasm (docs/engine-ops.md), so that the same graph runs on both
 * engines. Each is TensorFlow's definition of the op, composed of ops that wasm runs.
 */
export function registerWasmOps(core: typeof Core, converter: typeof Converter): void {
  const ops: Record<string, Executor> = {
    SparseSoftmaxCrossEntropyWithLogits: (node) => sparseSoftmaxCrossEntropy(core, node),
    UnsortedSegmentSum: (node) => unsortedSegmentSum(core, node),
    OneHot: (node) => oneHot(core, node),
    Cast: (node) => cast(core, node),
    MatrixBandPart: (node) => matrixBandPart(core, node),
    SelectV2: (node) => select(core, node),
    StatelessRandomUniform: (node) => statelessRandomUniform(core, node),
  };
  for (const [name, executor] of Object.entries(ops)) {
    converter.registerOp(name, ((node: GraphNode) => core.tidy(() => executor(node))) as Parameters<
      typeof converter.registerOp
    >[1]);
  }
}

/** logits [n, classes], labels [n] -> loss [n] and its gradient by the logits [n, classes]. */
function sparseSoftmaxCrossEntropy(core: typeof Core, { inputs: [logits, labels] }: GraphNode): Core.Tensor[] {
  const shifted = core.sub(logits!, core.max(logits!, -1, true));
  const exp = core.exp(shifted);
  const sum = core.sum(exp, -1, true);
  const target = core.cast(core.oneHot(labels!, logits!.shape.at(-1)!), 'float32');
  const loss = core.sub(core.squeeze(core.log(sum), [-1]), core.sum(core.mul(shifted, target), -1));
  return [loss, core.sub(core.div(exp, sum), target)];
}

/** data [n, ...], ids [n] -> [segments, ...]; repeated ids add up. */
function unsortedSegmentSum(core: typeof Core, { inputs: [data, ids, segments] }: GraphNode): Core.Tensor {
  const count = segments!.dataSync()[0]!;
  const rows = core.reshape(ids!, [ids!.size, 1]) as Core.Tensor2D;
  return core.scatterND(rows as unknown as Core.Tensor1D, data!, [count, ...data!.shape.slice(1)]);
}

/**
 * Uniform [0, 1) of a shape from a seed i32 [2]. The numbers are those of llmkit's own generator, not TensorFlow's Philox:
 * each engine gives the same numbers for the same seed, but not those of the other.
 */
function statelessRandomUniform(core: typeof Core, { inputs: [shape, seed] }: GraphNode): Core.Tensor {
  const [key, counter] = seed!.dataSync() as Int32Array;
  // A seed above 2^31 arrives as a negative int32.
  const random = new Random(key! >>> 0).fork(String(counter));
  const sizes = Array.from(shape!.dataSync());
  const values = new Float32Array(sizes.reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) values[i] = random.float();
  return core.tensor(values, sizes, 'float32');
}

/** The wasm kernel writes its values as integers whatever the dtype, and writes outside for indices out of range. */
function oneHot(core: typeof Core, { inputs: [indices, depth, on, off], attrs }: GraphNode): Core.Tensor {
  const axis = (attrs['axis'] as number | undefined) ?? -1;
  if (axis !== -1) throw new Error(`OneHot over axis ${axis} is not known to the wasm engine; only the last`);
  const classes = core.range(0, depth!.dataSync()[0]!, 1, 'int32');
  const hit = core.equal(core.expandDims(indices!, -1), classes);
  return core.where(hit, on!, off!);
}

/** The wasm kernel keeps the bits of a number as a bool, which is then neither 0 nor 1. */
function cast(core: typeof Core, { inputs: [x], attrs }: GraphNode): Core.Tensor {
  const dtype = attrs['DstT'] as Core.DataType;
  return dtype === 'bool' ? core.notEqual(x!, core.scalar(0, x!.dtype as 'float32')) : core.cast(x!, dtype);
}

/** tfjs spreads a scalar over the condition with its tile kernel, which took as long as all of a step's products. */
function select(core: typeof Core, { inputs: [condition, ...choices] }: GraphNode): Core.Tensor {
  const [yes, no] = choices.map((choice) => {
    if (choice.size !== 1 || condition!.size === 1 || choice.dtype === 'bool') return choice;
    return core.fill(condition!.shape, choice.dataSync()[0]!, choice.dtype as 'float32' | 'int32');
  });
  return core.where(condition!, yes!, no!);
}

/** Keeps the band of each matrix; a negative bound keeps that whole triangle. */
function matrixBandPart(core: typeof Core, { inputs: [x, lower, upper] }: GraphNode): Core.Tensor {
  const [rows, columns] = x!.shape.slice(-2) as [number, number];
  const distance = core.sub(core.expandDims(core.range(0, rows, 1, 'int32'), 1), core.range(0, columns, 1, 'int32'));
  const bounds = [lower!.dataSync()[0]!, upper!.dataSync()[0]!] as const;
  const below = core.lessEqual(distance, core.scalar(bounds[0] < 0 ? rows : bounds[0], 'int32'));
  const above = core.lessEqual(core.neg(distance), core.scalar(bounds[1] < 0 ? columns : bounds[1], 'int32'));
  return core.where(core.logicalAnd(below, above), x!, core.zerosLike(x!));
}
