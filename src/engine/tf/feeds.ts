import { LlmkitError } from '../../core/errors.ts';
import type { TfGraph, TfPort } from '../../graph/tf-graph.ts';
import { pairedShape } from './dtypes.ts';
import type { TfTensor } from './types.ts';

/**
 * The fed tensors in the order of the inputs. Throws a bug that names the input when one is missing, unknown,
 * or of another dtype or shape. A bf16 tensor also fits an i32 input of its pairs.
 */
export function checkFeeds(inputs: readonly TfPort[], feeds: Record<string, TfTensor>): TfTensor[] {
  const tensors = inputs.map((port) => {
    const tensor = feeds[port.name];
    if (tensor === undefined) throw new LlmkitError('bug', 'a graph input is not fed', { where: port.name });
    if (!fits(port, tensor)) {
      throw new LlmkitError('bug', 'a graph input is fed a tensor that does not fit', {
        where: port.name,
        expected: `${port.dtype} [${port.shape.join(', ')}]`,
        got: `${tensor.dtype} [${tensor.shape.join(', ')}]`,
      });
    }
    return tensor;
  });
  if (Object.keys(feeds).length > inputs.length) {
    const unknown = Object.keys(feeds).filter((name) => !inputs.some((port) => port.name === name));
    throw new LlmkitError('bug', 'a graph is fed inputs it does not have', { got: unknown.join(', ') });
  }
  return tensors;
}

/** Throws a bug for a graph that only one of the engines could run: names it cannot take, an output that is an input. */
export function checkGraph(graph: TfGraph): void {
  for (const { name } of graph.nodes) {
    if (/[,:^]/.test(name))
      throw new LlmkitError('bug', 'a graph node has a name that a session cannot take', { got: name });
  }
  const inputs = new Set(graph.inputs.map((port) => port.name));
  for (const { name, ref } of graph.outputs) {
    if (inputs.has(ref.replace(/:0$/, ''))) {
      throw new LlmkitError('bug', 'a graph output is one of its inputs', {
        where: name,
        got: ref,
        hint: 'put an Identity between',
      });
    }
  }
}

function fits(port: TfPort, tensor: TfTensor): boolean {
  if (port.dtype === tensor.dtype) return sameShape(port.shape, tensor.shape);
  return port.dtype === 'i32' && tensor.dtype === 'bf16' && sameShape(port.shape, pairedShape(tensor.shape));
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, index) => dim === b[index]);
}
