import { CommanderError } from 'commander';
import { LlmkitError } from '../core/errors.ts';
import { exitCodes } from './exit-codes.ts';
import { failureJson, failureOf, renderFailure, type Failure } from './failures.ts';
import { paintWith, wantsColor } from './paint.ts';
import { buildProgram } from './program.ts';
import { guardStreams } from './streams.ts';

/**
 * The whole of `llmkit`. Sets the exit code and returns; the process ends when its output is written.
 * @param argv as process.argv
 */
export async function main(argv: readonly string[]): Promise<void> {
  guardStreams();
  process.on('uncaughtException', (error) => {
    report(failureOf(error), argv);
    process.exit(exitCodes.bug);
  });
  const program = buildProgram(async (spec, flags, global) => {
    const { execute } = await import('./execute.ts');
    process.exitCode = await execute(spec, flags, global);
  });
  try {
    if (argv.length <= 2) {
      program.outputHelp();
      process.exitCode = exitCodes.usage;
      return;
    }
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    report(error instanceof CommanderError ? usageError(error, argv) : failureOf(error), argv);
  }
}

/** commander's complaint in our words: its suggestion becomes the hint. */
function usageError(error: CommanderError, argv: readonly string[]): Failure {
  if (error.code === 'commander.help') {
    const [, , first = '', second = ''] = argv;
    return first === 'help'
      ? failureOf(new LlmkitError('usage', `unknown command '${second}'`, { hint: 'llmkit --help lists them' }))
      : failureOf(new LlmkitError('usage', `${first} needs a command`, { hint: `llmkit ${first} --help lists them` }));
  }
  const [what = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const near = /\(Did you mean (?:one of )?(.*)\?\)/.exec(suggestion ?? '')?.[1];
  const hint = near === undefined ? 'llmkit --help, or llmkit help <command>' : `did you mean ${near}?`;
  return failureOf(new LlmkitError('usage', what.replace(/\.$/, ''), { hint }));
}

/** For what goes wrong before there is a reporter. */
function report(failure: Failure, argv: readonly string[]): void {
  const verbose = argv.includes('--verbose');
  const jsonl = argv.some((arg, i) => arg === '--output=jsonl' || (arg === '--output' && argv[i + 1] === 'jsonl'));
  if (argv.includes('--json') || jsonl) {
    // As the reporters would have it; --json goes before --output.
    const head = argv.includes('--json') ? { ok: false } : { type: 'error' };
    process.stdout.write(`${JSON.stringify({ ...head, error: failureJson(failure, verbose) })}\n`);
  } else {
    const paint = paintWith(wantsColor(process.stderr, !argv.includes('--no-color'), process.env));
    process.stderr.write(`${renderFailure(failure, paint, verbose).join('\n')}\n`);
  }
  process.exitCode = exitCodes[failure.kind];
}
