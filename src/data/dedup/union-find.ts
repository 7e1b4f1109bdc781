/**
 * Disjoint sets of the rows 0 to n - 1 (Tarjan and van Leeuwen, 1984, path halving). The smallest row of a set stands
 * for it, so the result does not depend on the order of the unions.
 */
export class UnionFind {
  readonly #parent: Uint32Array;

  /** @param n rows, up to 2^32; four bytes each. */
  constructor(n: number) {
    this.#parent = new Uint32Array(n);
    for (let row = 0; row < n; row++) this.#parent[row] = row;
  }

  /** The smallest row of the set of `row`. */
  find(row: number): number {
    const parent = this.#parent;
    for (;;) {
      const above = parent[row]!;
      if (above === row) return row;
      const next = parent[above]!;
      parent[row] = next;
      row = next;
    }
  }

  /** Joins the sets of two rows. */
  union(a: number, b: number): void {
    const first = this.find(a);
    const second = this.find(b);
    if (first < second) this.#parent[second] = first;
    else this.#parent[first] = second;
  }
}
