import { LlmkitError } from '../core/errors.ts';
import { merge, type Place, type Tree } from './tree.ts';
import { parseValue } from './yaml.ts';

/**
 * Turns `--set a.b=c` arguments into one tree, later ones winning. Values are YAML: `1e-4`, `true`, `[q_proj, v_proj]`.
 */
export function treeOfSets(args: readonly string[], errors: LlmkitError[]): Tree | undefined {
  let whole: Tree | undefined;
  for (const argument of args) {
    const place: Place = { kind: 'set', argument };
    const equals = argument.indexOf('=');
    const keys = argument.slice(0, Math.max(0, equals)).split('.');
    if (equals < 1 || keys.some((key) => key.trim() === '')) {
      const details = {
        where: `--set ${argument}`,
        expected: 'path.to.key=value',
        hint: '--set finetune.learning_rate=1e-4',
      };
      errors.push(new LlmkitError('usage', '--set does not name a key and a value', details));
      continue;
    }
    try {
      const value = parseValue(argument.slice(equals + 1), place);
      // What is set is set: `eval.gates={}` leaves no gate.
      if (value.kind === 'map') value.whole = true;
      const tree = nest(keys, value, place);
      whole = whole === undefined ? tree : merge(whole, tree);
    } catch (error) {
      if (!(error instanceof LlmkitError)) throw error;
      errors.push(error);
    }
  }
  return whole;
}

function nest(keys: readonly string[], value: Tree, place: Place): Tree {
  let tree = value;
  for (const key of [...keys].reverse())
    tree = { kind: 'map', entries: new Map([[key.trim(), { place, value: tree }]]), place };
  return tree;
}
