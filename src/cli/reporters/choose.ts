import type { CommandSpec, GlobalFlags } from '../spec.ts';
import { JsonReporter } from './json.ts';
import { JsonlReporter } from './jsonl.ts';
import { PlainReporter } from './plain.ts';
import type { Reporter, ReporterOptions } from './reporter.ts';

/** Which reporter a run gets. The live one only where a person watches: stdin and stderr are terminals, and no CI. */
export async function chooseReporter(
  spec: CommandSpec,
  flags: GlobalFlags,
  options: ReporterOptions,
): Promise<Reporter> {
  if (flags.json === true) return new JsonReporter(options);
  if (flags.output === 'jsonl') return new JsonlReporter(options);
  const watched = process.stdin.isTTY && process.stderr.isTTY && !isCi(process.env) && process.env.TERM !== 'dumb';
  if (!watched || options.quiet || spec.streams === true || spec.inline === true) return new PlainReporter(options);
  const { LiveReporter } = await import('./live.ts');
  return LiveReporter.start(options);
}

function isCi(env: NodeJS.ProcessEnv): boolean {
  return env.CI !== undefined && env.CI !== '' && env.CI !== 'false' && env.CI !== '0';
}
