import { tmpdir } from 'node:os';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';
import { cacheRoot } from '../core/cache-root.ts';
import type { Check } from './doctor/check.ts';
import { checkCache, checkOnnxRuntime, checkTensorFlow } from './doctor/engines.ts';
import { checkCpu, checkFolder, checkMemory, checkNode } from './doctor/machine.ts';
import { checkTokenizer } from './doctor/tokenizer.ts';

/** Checks that everything llmkit needs works here, by using it; says what to do about each thing that does not. */
export async function run(_options: object, context: CommandContext): Promise<CommandResult> {
  context.emit({ type: 'start', command: 'doctor', message: 'Checking this machine; every engine runs a graph' });
  const steps: (() => Check | Check[] | Promise<Check | Check[]>)[] = [
    () => checkNode(),
    () => checkCpu(),
    () => checkMemory(),
    () => checkFolder('working folder', context.cwd, 'warning'),
    () => checkFolder('temporary folder', tmpdir()),
    () => checkFolder('cache folder', cacheRoot(), 'warning'),
    checkTensorFlow,
    checkCache,
    checkOnnxRuntime,
    checkTokenizer,
  ];
  const checks: Check[] = [];
  for (const [index, step] of steps.entries()) {
    checks.push(...[await step()].flat());
    context.emit({ type: 'step', stage: 'doctor', current: index + 1, total: steps.length, unit: 'checks' });
  }
  return result(checks);
}

function result(checks: Check[]): CommandResult {
  const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length;
  const [failed, warnings] = [count('failed'), count('warning')];
  const said = [failed > 0 ? `${failed} failed` : '', warnings > 0 ? `${warnings} to look at` : '']
    .filter(Boolean)
    .join(', ');
  return {
    ok: failed === 0,
    summary: said === '' ? `All ${checks.length} checks pass` : `${checks.length} checks: ${said}`,
    tables: [
      {
        columns: [{ name: 'check' }, { name: 'status' }, { name: 'what was found' }, { name: 'what to do' }],
        rows: checks.map(({ name, status, detail, hint }) => [name, status, detail, hint ?? '']),
      },
    ],
    data: { checks: checks.map((check) => ({ ...check }) as Json) },
    ...(failed > 0
      ? {}
      : {
          next:
            warnings > 0 && checks.some(({ name, status }) => name === 'tensorflow native' && status !== 'ok')
              ? 'llmkit setup'
              : 'llmkit quickstart',
        }),
  };
}
