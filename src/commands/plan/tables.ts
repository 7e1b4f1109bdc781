import type { Table } from '../../core/events.ts';
import { formatBytes, formatCount, formatDuration } from '../../core/format.ts';
import type { TrainingPlan } from '../../train/estimate-plan.ts';

/** Shapes of micro-batches that are shown. */
const SHOWN = 8;

/** What is settled, and what the run will take. */
export function planTable({ engine, precision, memory, data, time }: TrainingPlan): Table {
  const rate = data.tokens / time.seconds;
  const rows = [
    ['engine', `${engine}, ${precision}`],
    ['activations', memory === 'layer' ? 'computed again, layer by layer' : 'kept'],
    ['steps', formatCount(data.totalSteps)],
    ['tokens', `${data.sampled ? '≈ ' : ''}${formatCount(data.tokens)}`],
    ['tokens with a loss', `${data.sampled ? '≈ ' : ''}${formatCount(data.targets)}`],
    ['time', `≈ ${formatDuration(time.seconds * 1000)}`],
    ['tokens/s', `≈ ${rate.toFixed(0)}`],
  ];
  return { columns: [{ name: 'plan' }, { name: '', align: 'right' }], rows };
}

/** What the peak is made of. */
export function memoryTable({ peak, precision }: TrainingPlan): Table {
  const { parts, largest, phase } = peak;
  const shape = `${largest.batch} x ${largest.length} tokens, ${largest.targets} targets`;
  const working =
    phase === 'gradients' ? `forward and backward pass of ${shape}` : 'gradients and the optimizer’s new values';
  const rows: [string, number][] = [
    ['engine, graphs and data', parts.engine],
    ['weights being loaded', parts.loading],
    ['answers to sample_prompts', parts.samples],
    [`frozen weights, ${precision}`, parts.frozenWeights],
    ['trained weights, fp32', parts.trainedWeights],
    ['optimizer states, fp32', parts.optimizerStates],
    [working, parts.working],
    ['peak', peak.peakBytes],
  ];
  return {
    columns: [{ name: 'memory' }, { name: 'bytes', align: 'right' }],
    rows: rows.filter(([, bytes]) => bytes > 0).map(([name, bytes]) => [name, formatBytes(bytes)]),
  };
}

/** Micro-batches by their sizes. */
export function shapeTable({ time }: TrainingPlan): Table {
  const rows = time.shapes
    .slice(0, SHOWN)
    .map(({ shape, count, seconds, passBytes }) => [
      `${shape.batch} x ${shape.length}`,
      String(shape.band),
      formatCount(shape.targets),
      formatCount(Math.round(count)),
      formatBytes(passBytes),
      formatDuration(seconds * 1000),
    ]);
  const left = time.shapes.length - rows.length;
  return {
    columns: [
      { name: left > 0 ? `micro-batches (${left} rarer shapes left out)` : 'micro-batches' },
      { name: 'longest document up to', align: 'right' },
      { name: 'targets', align: 'right' },
      { name: 'passes', align: 'right' },
      { name: 'memory', align: 'right' },
      { name: 'time', align: 'right' },
    ],
    rows,
  };
}
