import type { LlmkitError } from '../core/errors.ts';
import { configError, formatPlace } from './places.ts';
import type { Entry, Leaf, MapTree, Tree } from './tree.ts';

/** A spelling of another tool and the key it stands for here. */
interface Alias {
  from: string;
  to: string;
  value?: Convert;
}

/** Our value for a foreign one; undefined leaves it as it is, for the schema to judge. */
type Convert = (value: unknown) => unknown;

interface Spelling {
  to: string;
  names: string[];
  value?: Convert;
}

const onTrue =
  (yes: string, no: string): Convert =>
  (value) =>
    value === true ? yes : value === false ? no : undefined;

/** Names with commas between them; anything else in a string is an expression. */
const list: Convert = (value) =>
  typeof value === 'string' && /^[\w.,\s-]*$/.test(value) ? value.split(',').map((name) => name.trim()) : undefined;

const targets: Convert = (value) => {
  if (value === 'all' || value === true) return 'all-linear';
  return value === 'all-linear' ? undefined : list(value);
};

/** LF: LLaMA-Factory, AX: axolotl, TP: TRL and PEFT, MX: mlx-lm. */
const spellings: Spelling[] = [
  { to: 'model.name_or_path', names: ['model_name_or_path' /* LF, TP */, 'base_model' /* AX */] },
  { to: 'model.tokenizer', names: ['tokenizer_name_or_path', 'tokenizer_config' /* AX */] },
  {
    to: 'prepare.max_length',
    names: ['cutoff_len' /* LF */, 'sequence_len' /* AX */, 'max_seq_length' /* TP, MX */, 'max_seq_len'],
  },
  { to: 'prepare.packing', names: ['sample_packing' /* AX */], value: onTrue('best_fit', 'none') },
  {
    to: 'prepare.overlength',
    names: ['excess_length_strategy' /* AX */],
    value: (value) => (value === 'raise' ? 'error' : undefined),
  },
  { to: 'prepare.split.validation', names: ['val_size' /* LF */, 'val_set_size' /* AX */] },
  {
    to: 'prepare.train_on',
    names: ['train_on_inputs' /* AX */, 'train_on_prompt' /* LF */],
    value: onTrue('all', 'answers'),
  },
  {
    to: 'prepare.train_on',
    names: ['mask_prompt' /* MX */, 'completion_only_loss', 'assistant_only_loss' /* TP */],
    value: onTrue('answers', 'all'),
  },
  { to: 'prepare.train_on', names: ['mask_history' /* LF */], value: onTrue('last', 'answers') },
  { to: 'finetune.lora.r', names: ['lora_r' /* AX, TP */, 'lora_rank' /* LF */] },
  { to: 'finetune.lora.lora_alpha', names: [] },
  { to: 'finetune.lora.lora_dropout', names: [] },
  { to: 'finetune.lora.use_rslora', names: ['peft_use_rslora' /* AX */] },
  { to: 'finetune.lora.use_dora', names: ['peft_use_dora' /* AX */] },
  { to: 'finetune.lora.layers_to_transform', names: ['peft_layers_to_transform' /* AX */] },
  { to: 'finetune.lora.init_lora_weights', names: ['peft_init_lora_weights' /* AX */] },
  {
    to: 'finetune.lora.modules_to_save',
    names: ['additional_target' /* LF */, 'lora_modules_to_save' /* AX */],
    value: list,
  },
  { to: 'finetune.freeze.trainable_layers', names: ['freeze_trainable_layers' /* LF */] },
  { to: 'finetune.freeze.extra_modules', names: ['freeze_extra_modules' /* LF */], value: list },
  { to: 'finetune.init_adapter', names: ['adapter_name_or_path' /* LF */, 'lora_model_dir' /* AX */] },
  {
    to: 'finetune.lora.target_modules',
    names: ['lora_target' /* LF */, 'lora_target_modules' /* AX, TP */],
    value: targets,
  },
  { to: 'finetune.lora.target_modules', names: ['lora_target_linear' /* AX */], value: targets },
];

const trainingSpellings: Spelling[] = [
  { to: 'num_train_epochs', names: ['num_epochs' /* AX */, 'epochs'] },
  { to: 'max_steps', names: ['iters' /* MX */] },
  { to: 'per_device_train_batch_size', names: ['micro_batch_size' /* AX */, 'batch_size' /* MX */] },
  { to: 'gradient_accumulation_steps', names: ['grad_accumulation_steps' /* MX */] },
  { to: 'lr_scheduler_type', names: ['lr_scheduler' /* AX */] },
  { to: 'lr_scheduler_kwargs', names: [] },
  { to: 'learning_rate', names: ['lr'] },
  { to: 'adam_beta2', names: [] },
  { to: 'adam_beta1', names: [] },
  { to: 'adam_epsilon', names: [] },
  { to: 'warmup_ratio', names: [] },
  { to: 'warmup_steps', names: [] },
  { to: 'weight_decay', names: [] },
  { to: 'max_grad_norm', names: ['gradient_clip_val'] },
  { to: 'label_smoothing_factor', names: [] },
  { to: 'neftune_noise_alpha', names: ['noisy_embedding_alpha' /* AX */] },
  { to: 'logging_steps', names: ['steps_per_report' /* MX */] },
  { to: 'eval_steps', names: ['steps_per_eval' /* MX */] },
  { to: 'save_steps', names: ['save_every' /* MX */] },
  { to: 'save_total_limit', names: [] },
  { to: 'load_best_model_at_end', names: [] },
  { to: 'early_stopping_patience', names: ['early_stopping_steps' /* LF */] },
  { to: 'early_stopping_threshold', names: [] },
  { to: 'group_by_length', names: [] },
  {
    to: 'precision',
    names: ['bf16' /* LF, AX */],
    value: (value) => (value === 'auto' ? 'auto' : onTrue('bf16', 'fp32')(value)),
  },
  {
    to: 'memory',
    names: ['gradient_checkpointing' /* LF, AX */, 'grad_checkpoint' /* MX */],
    value: onTrue('layer', 'none'),
  },
];

/** Every accepted spelling: bare at the top of the file, in the section, and in the key's own map. */
const aliases: Alias[] = [
  ...spellings.flatMap((spelling) => spread(spelling, spelling.to, true)),
  ...trainingSpellings.flatMap((spelling) => [
    ...spread(spelling, `finetune.${spelling.to}`, true),
    ...spread(spelling, `pretrain.${spelling.to}`, false),
  ]),
  ...['', 'finetune.'].map((at): Alias => ({ from: `${at}finetuning_type` /* LF */, to: 'finetune.method' })),
  { from: 'finetune.lora.rank', to: 'finetune.lora.r' },
  { from: 'finetune.lora.alpha', to: 'finetune.lora.lora_alpha' },
  { from: 'finetune.lora.dropout', to: 'finetune.lora.lora_dropout' },
  ...['', 'finetune.'].flatMap((at): Alias[] => [
    { from: `${at}lora_parameters.rank`, to: 'finetune.lora.r' },
    { from: `${at}lora_parameters.dropout`, to: 'finetune.lora.lora_dropout' },
    { from: `${at}lora_parameters.keys`, to: 'finetune.lora.target_modules' },
  ]),
];

/** Our own keys whose values other tools write differently. */
const values: { key: string; value: Convert }[] = [
  { key: 'prepare.packing', value: onTrue('best_fit', 'none') },
  { key: 'finetune.lora.target_modules', value: targets },
];

function spread(spelling: Spelling, to: string, top: boolean): Alias[] {
  const steps = to.split('.');
  const own = steps.at(-1)!;
  const prefixes = steps.slice(0, -1).map((_, depth) => `${steps.slice(0, depth + 1).join('.')}.`);
  const places = top ? ['', ...prefixes] : prefixes;
  return places
    .flatMap((prefix) => [own, ...spelling.names].map((name) => `${prefix}${name}`))
    .filter((from) => from !== to && from !== 'prepare.tokenizer' && from !== 'tokenizer')
    .map((from) =>
      spelling.value === undefined || from.endsWith(`.${own}`) || from === own
        ? { from, to }
        : { from, to, value: spelling.value },
    );
}

/**
 * Moves other tools' spellings to ours, in place, within one file (or all of `--set`).
 * @returns one line for each thing moved; an alias beside the key it stands for becomes an error.
 */
export function applyAliases(tree: MapTree, errors: LlmkitError[]): string[] {
  const notes: string[] = [];
  const model = tree.entries.get('model');
  if (model?.value.kind === 'leaf' && typeof model.value.value === 'string') {
    model.value = {
      kind: 'map',
      place: model.value.place,
      entries: new Map([['name_or_path', { place: model.place, value: model.value }]]),
    };
    notes.push(`mapped model -> model.name_or_path (${formatPlace(model.place)})`);
  }
  for (const alias of aliases) {
    const found = take(tree, alias.from.split('.'));
    if (found === undefined) continue;
    const steps = alias.to.split('.');
    const there = get(tree, steps);
    if (there !== undefined) {
      const details = {
        expected: 'one of them',
        got: `${alias.from} and ${alias.to} (${formatPlace(there.place)})`,
        hint: `keep ${alias.to}`,
      };
      errors.push(
        configError(
          `${alias.from} is another name of ${alias.to}, which is given too`,
          found.place,
          alias.from.split('.'),
          details,
        ),
      );
      continue;
    }
    const value = alias.value === undefined ? found.value : convert(found.value, alias.value);
    put(tree, steps, { place: found.place, value });
    notes.push(`mapped ${alias.from} -> ${alias.to}${shown(found.value, value)} (${formatPlace(found.place)})`);
  }
  for (const { key, value } of values) {
    const entry = get(tree, key.split('.'));
    if (entry === undefined) continue;
    const converted = convert(entry.value, value);
    if (converted !== entry.value)
      notes.push(`mapped ${key}${shown(entry.value, converted)} (${formatPlace(entry.place)})`);
    entry.value = converted;
  }
  return notes;
}

function convert(tree: Tree, value: Convert): Tree {
  if (tree.kind !== 'leaf') return tree;
  const converted = value(tree.value);
  if (converted === undefined) return tree;
  const leaf = (item: unknown): Leaf => ({ kind: 'leaf', value: item, plain: false, place: tree.place });
  return Array.isArray(converted) ? { kind: 'list', items: converted.map(leaf), place: tree.place } : leaf(converted);
}

/** `: true -> best_fit`, when the value changed too. */
function shown(before: Tree, after: Tree): string {
  if (before === after || before.kind !== 'leaf') return '';
  const text =
    after.kind === 'leaf'
      ? String(after.value)
      : after.kind === 'list'
        ? `[${after.items.map((item) => (item as Leaf).value).join(', ')}]`
        : '';
  return `: ${String(before.value)} -> ${text}`;
}

function get(tree: MapTree, steps: readonly string[]): Entry | undefined {
  const entry = tree.entries.get(steps[0]!);
  if (entry === undefined || steps.length === 1) return entry;
  return entry.value.kind === 'map' ? get(entry.value, steps.slice(1)) : undefined;
}

/** Removes an entry, and the maps it leaves empty. */
function take(tree: MapTree, steps: readonly string[]): Entry | undefined {
  const [step = '', ...rest] = steps;
  const entry = tree.entries.get(step);
  if (entry === undefined) return undefined;
  if (rest.length === 0) {
    tree.entries.delete(step);
    return entry;
  }
  if (entry.value.kind !== 'map') return undefined;
  const found = take(entry.value, rest);
  if (found !== undefined && entry.value.entries.size === 0) tree.entries.delete(step);
  return found;
}

function put(tree: MapTree, steps: readonly string[], entry: Entry): void {
  const [step = '', ...rest] = steps;
  if (rest.length === 0) {
    tree.entries.set(step, entry);
    return;
  }
  const below = tree.entries.get(step);
  const map: MapTree =
    below?.value.kind === 'map' ? below.value : { kind: 'map', entries: new Map(), place: entry.place };
  if (below?.value.kind !== 'map') tree.entries.set(step, { place: entry.place, value: map });
  put(map, rest, entry);
}
