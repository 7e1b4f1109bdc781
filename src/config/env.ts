import type { LlmkitError } from '../core/errors.ts';
import { configError } from './places.ts';
import { leaves, type Tree } from './tree.ts';
import { parseValue } from './yaml.ts';

const reference = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/**
 * Replaces `${NAME}` and `${NAME:-default}` in every string, in place. `$${` is a literal `${`.
 * A variable that is not set and has no default becomes an error at its line.
 */
export function expandEnv(tree: Tree, env: Record<string, string | undefined>, errors: LlmkitError[]): void {
  for (const { path, leaf } of leaves(tree)) {
    if (typeof leaf.value !== 'string' || !leaf.value.includes('${')) continue;
    const expanded = leaf.value.replace(reference, (whole, name: string | undefined, fallback: string | undefined) => {
      if (name === undefined) return '${';
      // As in a shell's `:-`, an empty variable takes the default too.
      const value = env[name] === '' && fallback !== undefined ? fallback : (env[name] ?? fallback);
      if (value !== undefined) return value;
      errors.push(
        configError(`the environment variable ${name} is not set`, leaf.place, path, {
          hint: `export ${name}=..., or write a default: \${${name}:-...}`,
        }),
      );
      return whole;
    });
    leaf.value = leaf.plain ? reread(expanded, leaf.place) : expanded;
  }
}

/** An unquoted `${SEED}` is a number when the variable holds one. */
function reread(text: string, place: Parameters<typeof parseValue>[1]): unknown {
  if (!/^(true|false|null|~|[-+.\d][\w.+-]*)$/i.test(text)) return text;
  const tree = parseValue(text, place);
  return tree.kind === 'leaf' ? tree.value : text;
}
