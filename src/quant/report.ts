import type { Table } from '../core/events.ts';
import { formatValue } from '../core/format.ts';
import { mean } from '../core/stats.ts';
import type { LayerReport } from './quantize-model.ts';

/**
 * One row for each kind of layer, by its name: the error of its outputs on the calibration data (mean and worst layer), and
 * what rounding to nearest would have given.
 */
export function errorTable(layers: readonly LayerReport[]): Table {
  const kind = ({ module }: LayerReport): string => module.slice(module.lastIndexOf('.') + 1);
  const kinds = [...new Set(layers.map(kind))];
  const rows = kinds.map((name) => {
    const measured = layers.filter((layer) => kind(layer) === name && layer.error !== null);
    if (measured.length === 0) return [name, 'rtn', '-', '-', '-', '-'];
    const worst = measured.reduce((a, b) => (b.error! > a.error! ? b : a));
    const methods = [...new Set(measured.map(({ method }) => method))].join(', ');
    return [
      name,
      methods,
      formatValue(mean(measured.map(({ error }) => error!))),
      formatValue(mean(measured.map(({ rtnError }) => rtnError!))),
      formatValue(worst.error!),
      `layer ${worst.layer}`,
    ];
  });
  return {
    title: 'relative error of the outputs',
    columns: [
      { name: 'layer' },
      { name: 'method' },
      { name: 'mean', align: 'right' },
      { name: 'rounded to nearest', align: 'right' },
      { name: 'worst', align: 'right' },
      { name: 'where' },
    ],
    rows,
  };
}

/** What a person and the manifest want to know of a run, in the spelling of report.json. */
export interface QuantizeFigures {
  calibration_rows: number;
  calibration_tokens: number;
  source_bytes: number;
  quantized_bytes: number;
  /** Over all layers; null without calibration data. */
  mean_error: number | null;
  mean_rtn_error: number | null;
  /** Layers that GPTQ gave up on and rounded to nearest. */
  fallback_layers: number;
  [key: string]: number | null;
}

export function summarize(
  layers: readonly LayerReport[],
  counts: { calibration_rows: number; calibration_tokens: number; source_bytes: number; quantized_bytes: number },
): QuantizeFigures {
  const known = (values: (number | null)[]): number | null => {
    const numbers = values.filter((value) => value !== null);
    return numbers.length === 0 ? null : mean(numbers);
  };
  return {
    ...counts,
    mean_error: known(layers.map(({ error }) => error)),
    mean_rtn_error: known(layers.map(({ rtnError }) => rtnError)),
    fallback_layers: layers.filter(({ method, error }) => method === 'rtn' && error !== null).length,
  };
}
