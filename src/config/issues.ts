import type { z } from 'zod';
import type { LlmkitError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { configError } from './places.ts';
import { formatPath, locate, type KeyPath, type Tree } from './tree.ts';

type Issue = z.core.$ZodIssue;

/** zod's findings as errors that name the line, what was expected and what was got. */
export function errorsOfIssues(issues: readonly Issue[], tree: Tree, value: unknown, schema: object): LlmkitError[] {
  return issues.flatMap((issue) => errorsOfIssue(issue, [], tree, value, schema));
}

function errorsOfIssue(issue: Issue, above: KeyPath, tree: Tree, value: unknown, schema: object): LlmkitError[] {
  const path = [...above, ...(issue.path as (string | number)[])];
  const at = locate(tree, path);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], tree, schema));
  if (issue.code === 'invalid_union') {
    const branch = likeliestBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => errorsOfIssue(inner, path, tree, value, schema));
  }
  if (issue.code === 'custom') {
    const params = issue.params ?? {};
    const details = { ...pick(params, 'expected'), ...pick(params, 'got'), ...pick(params, 'hint') };
    return [
      configError(
        issue.message,
        at.value,
        path,
        'expected' in details ? details : { got: shownValue(valueAt(value, path)) },
      ),
    ];
  }
  if (at.depth < path.length) {
    const hint = path.length === 1 && path[0] === 'version' ? 'add the line: version: 1' : undefined;
    const details = { expected: expectation(issue), ...(hint === undefined ? {} : { hint }) };
    return [configError(`${formatPath(path)} is missing`, at.value, path, details)];
  }
  const details = { expected: expectation(issue), got: shownValue(valueAt(value, path)) };
  return [configError(`${formatPath(path)} has a wrong value`, at.value, path, details)];
}

function unknownKey(path: KeyPath, tree: Tree, schema: object): LlmkitError {
  const key = String(path.at(-1));
  const known = knownKeys(schema, path.slice(0, -1));
  const near = nearest(key, known);
  const elsewhere = near === undefined ? keyElsewhere(schema, key) : undefined;
  const hint =
    near !== undefined
      ? `did you mean ${near}?`
      : elsewhere !== undefined
        ? `${key} belongs in ${elsewhere}`
        : `known here: ${known.join(', ')}`;
  return configError(`unknown key ${key}`, locate(tree, path).key, path, { hint });
}

/** Of a union's branches, the one that was meant: its own type fits, and it has the fewest complaints. */
function likeliestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const inside = branches.filter((branch) =>
    branch.every(
      (issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys' || issue.code === 'invalid_union',
    ),
  );
  return [...inside].sort((a, b) => complaints(a) - complaints(b))[0];
}

function complaints(issues: readonly Issue[]): number {
  return issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeName(issue.expected);
    case 'invalid_value':
      return issue.values.map(String).join(' | ');
    case 'too_small': {
      const things = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' items' : '';
      return `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${things}`;
    }
    case 'too_big':
      return `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    case 'invalid_union':
      return issue.errors.length === 0
        ? 'one of the listed forms'
        : issue.errors.map((branch) => branch.map(expectation).join(' and ')).join(' or ');
    case 'unrecognized_keys':
      return 'other keys';
    default:
      return issue.message.replace(/^expected /, '');
  }
}

function typeName(expected: string): string {
  const names: Record<string, string> = {
    int: 'a whole number',
    number: 'a number',
    string: 'a text',
    boolean: 'true or false',
    array: 'a list',
    object: 'a map',
    record: 'a map',
  };
  return names[expected] ?? expected;
}

function shownValue(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function valueAt(value: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>(
    (at, key) => (at !== null && typeof at === 'object' ? (at as Record<string, unknown>)[String(key)] : undefined),
    value,
  );
}

function pick(params: Record<string, unknown>, key: string): Record<string, string> {
  const value = params[key];
  return typeof value === 'string' ? { [key]: value } : {};
}

interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  items?: SchemaNode;
  additionalProperties?: SchemaNode | boolean;
  anyOf?: SchemaNode[];
  oneOf?: SchemaNode[];
  allOf?: SchemaNode[];
}

function branchesOf(node: SchemaNode): SchemaNode[] {
  const inner = [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])];
  return [node, ...inner.flatMap(branchesOf)];
}

/** The keys a JSON Schema allows at a path. */
function knownKeys(schema: object, path: KeyPath): string[] {
  let nodes: SchemaNode[] = branchesOf(schema);
  for (const step of path) {
    nodes = nodes.flatMap((node) => {
      const below = typeof step === 'number' ? node.items : (node.properties?.[step] ?? node.additionalProperties);
      return below === undefined || typeof below === 'boolean' ? [] : branchesOf(below);
    });
  }
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))];
}

/** The section in which a key would be known. */
function keyElsewhere(schema: SchemaNode, key: string): string | undefined {
  for (const [name, section] of Object.entries(schema.properties ?? {})) {
    if (section.properties !== undefined && key in section.properties) return name;
    for (const [inner, node] of Object.entries(section.properties ?? {})) {
      if (node.properties !== undefined && key in node.properties) return `${name}.${inner}`;
    }
  }
  return undefined;
}
