import type { Table } from '../../core/events.ts';
import { formatValue } from '../../core/format.ts';
import type { GateCheck } from '../gate.ts';
import type { TaskResult } from '../metrics.ts';

/** What was measured and, where there were gates, how they went: for the terminal. */
export function resultTables(results: readonly TaskResult[], checks: readonly GateCheck[]): Table[] {
  const measured: Table = {
    title: 'measured',
    columns: [
      { name: 'task' },
      { name: 'metric' },
      { name: 'value', align: 'right' },
      { name: '± stderr', align: 'right' },
      { name: 'documents', align: 'right' },
    ],
    rows: results.flatMap(({ task, metrics, n }) =>
      metrics.map(({ name, value, stderr }) => {
        const error = stderr === undefined ? '' : formatValue(stderr);
        return [task, name, formatValue(value), error, String(n.effective)];
      }),
    ),
  };
  if (checks.length === 0) return [measured];
  const gates: Table = {
    title: 'gates',
    columns: [{ name: 'gate' }, { name: 'bound' }, { name: 'result' }, { name: '' }],
    rows: checks.map(({ gate, bound, pass, message }) => [gate, bound, pass ? 'pass' : 'FAIL', message]),
  };
  return [measured, gates];
}
