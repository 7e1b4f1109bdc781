import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { specs } from './commands/index.ts';
import type { CommandSpec, FlagSpec, GlobalFlags } from './spec.ts';

/** Does the work of a command; loaded only when one is run. */
export type Execute = (spec: CommandSpec, flags: Record<string, unknown>, global: GlobalFlags) => Promise<void>;

/** The whole command line: declarations only. Nothing that a command needs is loaded here. */
export function buildProgram(execute: Execute): Command {
  const program = new Command('llmkit')
    .description('The whole life of a language model: prepare, pretrain, finetune, quantize, evaluate, generate.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  for (const option of globalOptions()) program.addOption(option);
  program.addHelpText(
    'after',
    help(['llmkit quickstart', 'llmkit config check -c configs/bank-support.yaml', 'llmkit prepare --help']),
  );
  const groups = new Map<string, Command>();
  for (const spec of specs) {
    const [first = '', second] = spec.name.split(' ');
    if (second === undefined) {
      program.addCommand(toCommand(first, spec, execute));
      continue;
    }
    let group = groups.get(first);
    if (group === undefined) {
      group = new Command(first).description(groupDescriptions[first] ?? '').copyInheritedSettings(program);
      groups.set(first, group);
      program.addCommand(group);
    }
    group.addCommand(toCommand(second, spec, execute));
  }
  inherit(program);
  return program;
}

const groupDescriptions: Record<string, string> = { config: 'check, print or describe a config file' };

function globalOptions(): Option[] {
  return [
    new Option('-c, --config <file>', 'YAML config; paths in it are relative to it'),
    new Option('--set <key=value>', 'override a key, such as finetune.lora.r=8; repeatable').argParser(collect),
    new Option('--json', 'print exactly one JSON object'),
    new Option('--output <format>', 'jsonl prints every event as a line of JSON').choices(['text', 'jsonl']),
    new Option('-q, --quiet', 'print results, warnings and errors only'),
    new Option('--verbose', 'print metrics and stack traces too'),
    new Option('--no-color', 'print no colours (NO_COLOR does the same)'),
    new Option('--engine <engine>', 'what training and calibration run on').choices(['auto', 'native', 'wasm']),
    new Option('--threads <n>', 'threads of the native engines').argParser(
      number({ flags: '--threads', description: '', type: 'int', min: 1 }),
    ),
  ];
}

function toCommand(name: string, spec: CommandSpec, execute: Execute): Command {
  const command = new Command(name).description(spec.description);
  for (const arg of spec.args ?? []) command.argument(arg.name, arg.description);
  for (const flag of spec.flags ?? []) command.addOption(toOption(flag));
  command.addHelpText('after', help(spec.examples));
  command.action(async (...given: unknown[]) => {
    // commander passes the positionals, then its options, then itself.
    const positionals: Record<string, unknown> = {};
    for (const [i, arg] of (spec.args ?? []).entries()) {
      if (given[i] !== undefined) positionals[arg.name.replaceAll(/[<>[\].]/g, '')] = given[i];
    }
    await execute(spec, { ...positionals, ...command.opts() }, command.optsWithGlobals());
  });
  return command;
}

function toOption(flag: FlagSpec): Option {
  const option = new Option(flag.flags, flag.description);
  if (flag.choices !== undefined) option.choices(flag.choices);
  if (flag.type === 'path') option.argParser(absolutePath);
  if (flag.type === 'int' || flag.type === 'number') option.argParser(number(flag));
  return option;
}

/** An empty path would be the folder one stands in: what an unset variable in a script leaves. */
function absolutePath(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Expected a path.');
  return path.resolve(text);
}

function number(flag: FlagSpec): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const kind = flag.type === 'int' ? 'a whole number' : 'a number';
    if (text.trim() === '' || !Number.isFinite(value) || (flag.type === 'int' && !Number.isInteger(value))) {
      throw new InvalidArgumentError(`Expected ${kind}.`);
    }
    if (flag.min !== undefined && value < flag.min) throw new InvalidArgumentError(`Expected at least ${flag.min}.`);
    if (flag.max !== undefined && value > flag.max) throw new InvalidArgumentError(`Expected at most ${flag.max}.`);
    return value;
  };
}

function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

function help(examples: string[]): string {
  return `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`;
}

/** Commands made apart from the program take its settings: errors thrown, not printed. */
function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inherit(command);
  }
}

function version(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}
