import { LlmkitError } from '../core/errors.ts';

export type DType = 'f32' | 'bf16' | 'i32' | 'i64' | 'u8' | 'i8' | 'bool';

/** A size, or the name of one that is known only when the graph runs (ONNX graphs; TensorFlow graphs are static). */
export type Dim = number | string;
export type Shape = readonly Dim[];

export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** One output of one node. */
export interface Value extends ValueType {
  readonly graph: Graph;
  readonly node: Node;
  readonly index: number;
}

/** What an op is: its shapes, its gradient, and for composites what it means in simpler ops. */
export interface OpDef<A extends object = object> {
  readonly name: string;
  /** Checks inputs and attributes and says what comes out. Throws through `shapeError`. */
  infer(inputs: readonly Value[], attrs: A): ValueType[];
  /**
   * Gradients with respect to the inputs, given those with respect to the outputs (undefined where nothing flows).
   * What nobody uses is pruned, so an op need not ask which gradients are wanted.
   */
  gradient?(node: Node<A>, grads: readonly (Value | undefined)[]): (Value | undefined)[];
  /**
   * The same computation in simpler ops; its outputs replace the node's, one for one.
   * `used` tells which outputs are read at all; the others need not be cheap, for they are pruned.
   */
  expand?(node: Node<A>, used: readonly boolean[]): Value[];
}

export interface Node<A extends object = object> {
  readonly id: number;
  readonly def: OpDef<A>;
  readonly inputs: readonly Value[];
  readonly attrs: A;
  readonly outputs: readonly Value[];
  /** Where in the model this node belongs, e.g. `layers.3`; recompute works on scopes. */
  readonly scope: string;
  readonly phase: 'forward' | 'backward';
  /** Values that must exist before this node runs though it does not read them. */
  readonly controls: readonly Value[];
}

/** A graph under construction: nodes in the order they were made, which is a topological order. */
export class Graph {
  readonly nodes: Node[] = [];
  readonly outputs = new Map<string, Value>();
  /** For each scope, the first gradient that reached it: the moment its backward pass begins. */
  readonly gradientEntry = new Map<string, Value>();
  scope = '';
  phase: 'forward' | 'backward' = 'forward';

  /** Runs `build` with every new node in `scope`. */
  within<T>(scope: string, build: () => T): T {
    const outer = this.scope;
    this.scope = scope;
    try {
      return build();
    } finally {
      this.scope = outer;
    }
  }

  add<A extends object>(
    def: OpDef<A>,
    inputs: readonly Value[],
    attrs: A,
    options: { controls?: readonly Value[] } = {},
  ): Node<A> {
    for (const input of inputs) {
      if (input.graph !== this) throw new LlmkitError('bug', `${def.name}: an input belongs to another graph`);
    }
    const outputs: Value[] = [];
    const node: Node<A> = {
      id: this.nodes.length,
      def,
      inputs,
      attrs,
      outputs,
      scope: this.scope,
      phase: this.phase,
      controls: options.controls ?? [],
    };
    def.infer(inputs, attrs).forEach((type, index) => {
      outputs.push({ graph: this, node: node as unknown as Node, index, shape: type.shape, dtype: type.dtype });
    });
    this.nodes.push(node as unknown as Node);
    return node;
  }

  output(name: string, value: Value): void {
    if (this.outputs.has(name)) throw new LlmkitError('bug', `graph output ${name} is defined twice`);
    this.outputs.set(name, value);
  }
}

/** Adds a node with one output and returns that output. */
export function apply<A extends object>(def: OpDef<A>, inputs: readonly Value[], attrs: A): Value {
  return inputs[0]!.graph.add(def, inputs, attrs).outputs[0]!;
}

/** A wrong shape is a mistake in the graph that llmkit builds, never the user's. */
export function shapeError(op: string, message: string, inputs: readonly ValueType[]): never {
  const shapes = inputs.map((input) => `${input.dtype}[${input.shape.join(', ')}]`).join(', ');
  throw new LlmkitError('bug', `${op}: ${message}`, { got: shapes });
}

/** The shape as numbers; symbolic sizes are refused. */
export function staticShape(value: ValueType): number[] {
  return value.shape.map((dim) => {
    if (typeof dim !== 'number') throw new LlmkitError('bug', `size ${dim} is not known while building`);
    return dim;
  });
}

export function elements(value: ValueType): number {
  return staticShape(value).reduce((product, dim) => product * dim, 1);
}

/** NumPy's broadcasting of two shapes, or undefined when they do not fit. */
export function broadcastShapes(a: Shape, b: Shape): Dim[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x === y || y === 1) shape.push(x);
    else if (x === 1) shape.push(y);
    else return undefined;
  }
  return shape;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}
