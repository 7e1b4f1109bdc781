import { LlmkitError } from '../core/errors.ts';
import { reshape, split } from '../graph/index.ts';
import type { Value } from '../graph/index.ts';
import type { RowRuns } from '../model/spec.ts';

/**
 * What a fused matrix gives, y [..., rows of the matrix], as what each of its roles gives, [..., rows of the role].
 *
 * @param roles the rows of every role of the matrix, in the order in which they begin
 */
export function splitRoles(y: Value, roles: readonly RowRuns[]): Value[] {
  const { stride, count } = roles[0]!;
  let next = 0;
  for (const role of roles) {
    if (role.start !== next || role.stride !== stride || role.count !== count) {
      throw new LlmkitError('bug', 'the roles of a fused matrix are asked for in another order than they lie in it');
    }
    next += role.size;
  }
  const lead = y.shape.slice(0, -1);
  const runs = reshape(y, [...lead, count, stride]);
  const parts = split(
    runs,
    lead.length + 1,
    roles.map(({ size }) => size),
  );
  return parts.map((part, i) => reshape(part, [...lead, count * roles[i]!.size]));
}
