import { Template } from '@huggingface/jinja';

/**
 * How a chat template looks at contents: which words it searches them for. A template that does nothing else with them
 * but show them renders two conversations of the same roles alike, if their contents are not blank, have no white space
 * at their ends, and hold none of the words.
 */
export interface TemplateReading {
  words: readonly string[];
}

/**
 * Finds out from the template's syntax tree; undefined where it does something with contents that is not known to
 * depend on such words alone (their length, comparing two of them, macros that take them, ...).
 */
export function readTemplate(source: string): TemplateReading | undefined {
  const reader = new Reader();
  // Kinds of variables are joined over the whole template, so a second walk sees what later lines assign.
  const program = new Template(source).parsed as unknown as Node;
  for (let known = -1; known !== reader.known && reader.readable;) {
    known = reader.known;
    reader.block(program['body'] as Node[]);
  }
  return reader.readable ? { words: [...reader.words] } : undefined;
}

/** Whether this template shows the content and looks no further at it. */
export function isOpaque(content: string, { words }: TemplateReading): boolean {
  if (!isDark(content.charCodeAt(0)) || !isDark(content.charCodeAt(content.length - 1))) return false;
  for (const word of words) if (content.includes(word)) return false;
  return true;
}

/** Surely no white space, to JavaScript or Python. NaN, which stands for no character at all, is not dark. */
function isDark(unit: number): boolean {
  if (unit < 0x7f) return unit > 0x20;
  if (unit < 0x3000) return (unit > 0xa0 && unit < 0x1680) || (unit > 0x200f && unit < 0x2028);
  return unit > 0x3000 && unit !== 0xfeff;
}

interface Node {
  type: string;
  [field: string]: unknown;
}

/**
 * What a value may come from. `clean`: roles and the number of messages; `messages`, `message`: those; `text`: one
 * content as it is; `parts`: one split; `mixed`: text with other things in it, or changed.
 */
type Kind = 'clean' | 'messages' | 'message' | 'text' | 'parts' | 'mixed';

const TYPE_TESTS = new Set(
  'defined undefined none string mapping iterable sequence number boolean integer float'.split(' '),
);
const STRIPS = new Set(['strip', 'lstrip', 'rstrip']);
/** Filters that give text of text. What they change shows when the template is tried on stand-ins. */
const TEXT_FILTERS = new Set('trim safe tojson upper lower escape e'.split(' '));

class Reader {
  readable = true;
  readonly words = new Set<string>();
  /** Of variables, and with a dot before it of attributes of namespaces. */
  readonly #kinds = new Map<string, Kind>([['messages', 'messages']]);
  readonly #macros = new Set<string>();
  known = 0;

  block(nodes: readonly Node[]): void {
    for (const node of nodes) this.#statement(node);
  }

  #statement(node: Node): void {
    const field = (name: string) => node[name] as Node;
    switch (node.type) {
      case 'If':
        this.#kind(field('test'));
        this.block(node['body'] as Node[]);
        this.block(node['alternate'] as Node[]);
        return;
      case 'For': {
        const items = this.#kind(field('iterable'));
        const item = items === 'messages' ? 'message' : items === 'parts' ? 'text' : 'clean';
        // Going through the characters of a content fails, and going through a message gives its keys.
        if (items === 'mixed' || (field('loopvar').type !== 'Identifier' && items !== 'clean')) this.#giveUp();
        if (field('loopvar').type === 'Identifier') this.#assign(field('loopvar')['value'] as string, item);
        this.block(node['body'] as Node[]);
        this.block(node['defaultBlock'] as Node[]);
        return;
      }
      case 'Set': {
        const value = node['value'] as Node | null;
        if (value === null) this.block(node['body'] as Node[]);
        const kind = value === null ? 'mixed' : this.#kind(value);
        const assignee = field('assignee');
        if (assignee.type === 'Identifier') this.#assign(assignee['value'] as string, kind);
        else if (assignee.type === 'MemberExpression') {
          const name = nameOf(assignee);
          if (name === undefined) this.#giveUp();
          else this.#assign(`.${name}`, kind);
        } else if (kind !== 'clean') this.#giveUp();
        return;
      }
      case 'Macro':
        this.#macros.add(field('name')['value'] as string);
        this.block(node['body'] as Node[]);
        return;
      case 'CallStatement':
      case 'FilterStatement':
        this.#giveUp();
        return;
      case 'Comment':
      case 'Break':
      case 'Continue':
        return;
      default:
        this.#kind(node);
    }
  }

  #kind(node: Node): Kind {
    const field = (name: string) => node[name] as Node;
    switch (node.type) {
      case 'Identifier':
        return this.#kinds.get(node['value'] as string) ?? 'clean';
      case 'StringLiteral':
      case 'IntegerLiteral':
      case 'FloatLiteral':
        return 'clean';
      case 'ArrayLiteral':
      case 'TupleLiteral':
        return this.#all(node['value'] as Node[]) ? 'clean' : 'mixed';
      case 'ObjectLiteral': {
        const entries = [...(node['value'] as Map<Node, Node>)].flat();
        return this.#all(entries) ? 'clean' : 'mixed';
      }
      case 'MemberExpression':
        return this.#member(node);
      case 'CallExpression':
        return this.#call(node);
      case 'FilterExpression':
        return this.#filter(node);
      case 'BinaryExpression':
        return this.#binary(node);
      case 'UnaryExpression':
        this.#kind(field('argument'));
        return 'clean';
      case 'TestExpression': {
        const operand = this.#kind(field('operand'));
        return operand === 'clean' || TYPE_TESTS.has(field('test')['value'] as string) ? 'clean' : this.#giveUp();
      }
      case 'Ternary':
        this.#kind(field('condition'));
        return this.#join(this.#kind(field('trueExpr')), this.#kind(field('falseExpr')));
      case 'SelectExpression':
        // Also `for message in messages if ...`, whose test sees the message.
        this.#kind(field('test'));
        return this.#kind(field('lhs'));
      case 'SliceExpression': {
        const parts = [node['start'], node['stop'], node['step']].filter((part) => part !== undefined) as Node[];
        return this.#all(parts) ? 'clean' : this.#giveUp();
      }
      default:
        return this.#giveUp();
    }
  }

  #member(node: Node): Kind {
    const [object, property] = [node['object'] as Node, node['property'] as Node];
    if (object.type === 'Identifier' && object['value'] === 'loop') {
      return ['previtem', 'nextitem'].includes(nameOf(node) ?? '') ? 'message' : 'clean';
    }
    const kind = this.#kind(object);
    const name = nameOf(node);
    if (node['computed'] === true && this.#kind(property) !== 'clean') return this.#giveUp();
    if (kind === 'clean') return (name === undefined ? undefined : this.#kinds.get(`.${name}`)) ?? 'clean';
    if (kind === 'message') return name === undefined ? this.#giveUp() : name === 'content' ? 'text' : 'clean';
    if (node['computed'] !== true) return this.#giveUp();
    if (kind === 'messages') return property.type === 'SliceExpression' ? 'messages' : 'message';
    return kind === 'parts' && property.type !== 'SliceExpression' ? 'text' : this.#giveUp();
  }

  #call(node: Node): Kind {
    const [callee, args] = [node['callee'] as Node, node['args'] as Node[]];
    if (callee.type === 'Identifier') {
      const name = callee['value'] as string;
      // What a refusal says does not matter.
      if (name === 'raise_exception') return 'clean';
      if (name === 'namespace') return this.#namespace(args);
      return this.#all(args) ? (this.#macros.has(name) ? 'mixed' : 'clean') : this.#giveUp();
    }
    if (callee.type !== 'MemberExpression') return this.#giveUp();
    const method = nameOf(callee);
    const kind = this.#kind(callee['object'] as Node);
    if (method === undefined || !this.#all(args)) return this.#giveUp();
    if (kind === 'clean') return 'clean';
    const first = args[0]?.type === 'StringLiteral' ? (args[0]['value'] as string) : undefined;
    if (kind === 'message')
      return method === 'get' && first !== undefined ? (first === 'content' ? 'text' : 'clean') : this.#giveUp();
    if (STRIPS.has(method) && (kind === 'text' || kind === 'mixed') && (args.length === 0 || first?.trim() === ''))
      return kind;
    if (kind !== 'text' || first === undefined || first === '') return this.#giveUp();
    this.words.add(first);
    if (method === 'startswith' || method === 'endswith') return 'clean';
    if (method === 'split') return 'parts';
    return method === 'replace' ? 'text' : this.#giveUp();
  }

  #namespace(args: readonly Node[]): Kind {
    for (const arg of args) {
      if (arg.type !== 'KeywordArgumentExpression') return this.#giveUp();
      this.#assign(`.${(arg['key'] as Node)['value'] as string}`, this.#kind(arg['value'] as Node));
    }
    return 'clean';
  }

  #filter(node: Node): Kind {
    const kind = this.#kind(node['operand'] as Node);
    const filter = node['filter'] as Node;
    const name = (filter.type === 'Identifier' ? filter['value'] : (filter['callee'] as Node)['value']) as string;
    const args = filter.type === 'Identifier' ? [] : (filter['args'] as Node[]);
    if (!this.#all(args)) return this.#giveUp();
    if (kind === 'clean') return 'clean';
    if (kind === 'messages' || kind === 'parts') {
      if (name === 'length' || name === 'count') return 'clean';
      if (name === 'first' || name === 'last') return kind === 'messages' ? 'message' : 'text';
      if (name === 'list' || (name === 'reverse' && kind === 'messages')) return kind;
      const attribute = args[0]?.type === 'StringLiteral' ? args[0]['value'] : undefined;
      if ((name === 'selectattr' || name === 'rejectattr') && kind === 'messages' && attribute === 'role') return kind;
      return name === 'tojson' ? 'mixed' : this.#giveUp();
    }
    if (name === 'default' || (name === 'trim' && args.length === 0) || name === 'string') return kind;
    return TEXT_FILTERS.has(name) ? 'mixed' : this.#giveUp();
  }

  #binary(node: Node): Kind {
    const operator = (node['operator'] as { value: string }).value;
    const [leftNode, rightNode] = [node['left'] as Node, node['right'] as Node];
    const [left, right] = [this.#kind(leftNode), this.#kind(rightNode)];
    if (operator === 'and' || operator === 'or') return this.#join(left, right);
    if (left === 'clean' && right === 'clean') return 'clean';
    const strings: readonly Kind[] = ['clean', 'text', 'mixed'];
    if (operator === '+' || operator === '~') {
      return strings.includes(left) && strings.includes(right) ? 'mixed' : this.#giveUp();
    }
    // A name in a message asks for its keys.
    if (operator === 'in' || operator === 'not in') {
      if (left === 'clean' && right === 'message') return 'clean';
      return right === 'text' ? this.#word(leftNode) : this.#giveUp();
    }
    if (operator !== '==' && operator !== '!=') return this.#giveUp();
    const other = left === 'text' ? rightNode : right === 'text' ? leftNode : undefined;
    if (other === undefined) return this.#giveUp();
    const isNone = other.type === 'Identifier' && ['none', 'None'].includes(other['value'] as string);
    return isNone || (other.type === 'StringLiteral' && other['value'] === '') ? 'clean' : this.#word(other);
  }

  /** A content is asked for this word. */
  #word(node: Node): Kind {
    if (node.type !== 'StringLiteral' || node['value'] === '') return this.#giveUp();
    this.words.add(node['value'] as string);
    return 'clean';
  }

  /** Walks through all; are all clean? */
  #all(nodes: readonly Node[]): boolean {
    const kinds = nodes.map((node) =>
      this.#kind(node.type === 'KeywordArgumentExpression' ? (node['value'] as Node) : node),
    );
    return kinds.every((kind) => kind === 'clean');
  }

  #assign(name: string, kind: Kind): void {
    const before = this.#kinds.get(name);
    const joined = before === undefined ? kind : this.#join(before, kind);
    if (joined === before) return;
    this.#kinds.set(name, joined);
    this.known++;
  }

  #join(a: Kind, b: Kind): Kind {
    if (a === b || b === 'clean') return a;
    if (a === 'clean') return b;
    const strings: readonly Kind[] = ['text', 'mixed'];
    return strings.includes(a) && strings.includes(b) ? 'mixed' : this.#giveUp();
  }

  #giveUp(): Kind {
    this.readable = false;
    return 'clean';
  }
}

/** The name in `x.name` or `x['name']`. */
function nameOf({ property, computed }: Node): string | undefined {
  const { type, value } = property as Node;
  return type === (computed === true ? 'StringLiteral' : 'Identifier') ? (value as string) : undefined;
}
