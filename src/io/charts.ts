import type { EChartsOption } from 'echarts';

/** One bar of a chart: its name and its height. */
export interface Bar {
  name: string;
  value: number;
  /** What stands at its end; the value unless given. */
  label?: string;
}

export interface BarChartOptions {
  title: string;
  bars: readonly Bar[];
  /** Bars lie on their side, the first on top: for long names. */
  horizontal?: boolean;
  width?: number;
  height?: number;
}

/** A line of a chart: its points in order of x. */
export interface Line {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
  /** Drawn light, behind the others: the figures that another line smooths. */
  faint?: boolean;
}

export interface LineChartOptions {
  title: string;
  lines: readonly Line[];
  /** What the horizontal axis counts. */
  xName?: string;
  width?: number;
  height?: number;
}

const TEXT = '#57606a';
const BAR = '#3b7dd8';
const LINES = [BAR, '#d9730d', '#2f9e67', '#8957c9'];

/**
 * A bar chart as an SVG element, drawn by ECharts without a browser. The same bars give the same text.
 *
 * @param id tells the charts of one page apart: names inside of the SVG begin with it.
 */
export async function barChart(id: string, options: BarChartOptions): Promise<string> {
  const { title, bars, horizontal = false, width = 720, height = horizontal ? 70 + 28 * bars.length : 260 } = options;
  const names = { type: 'category', data: bars.map((bar) => bar.name), axisLabel: { color: TEXT } } as const;
  const values = { type: 'value', axisLabel: { color: TEXT }, splitLine: { lineStyle: { color: '#8884' } } } as const;
  return draw(id, width, height, {
    title: titleOf(title),
    grid: { left: 8, right: horizontal ? 90 : 16, top: 40, bottom: 8, containLabel: true },
    xAxis: horizontal ? values : names,
    yAxis: horizontal ? { ...names, inverse: true } : values,
    series: [
      {
        type: 'bar',
        itemStyle: { color: BAR },
        label: { show: true, position: horizontal ? 'right' : 'top', color: TEXT },
        data: bars.map(({ value, label }) => ({ value, label: { formatter: label ?? String(value) } })),
      },
    ],
  });
}

/**
 * Lines over a common horizontal axis as an SVG element. Points that are not finite are left out. The same lines give the
 * same text.
 *
 * @param id as for `barChart`
 */
export async function lineChart(id: string, options: LineChartOptions): Promise<string> {
  const { title, lines, xName = '', width = 720, height = 260 } = options;
  const axis = { type: 'value', scale: true, axisLabel: { color: TEXT } } as const;
  const series = lines.map(({ name, points, faint = false }, i) => ({
    type: 'line' as const,
    name,
    data: points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)).map(([x, y]) => [x, y]),
    showSymbol: points.length < 20,
    symbolSize: 5,
    z: faint ? 1 : 2,
    color: LINES[i % LINES.length]!,
    lineStyle: { width: faint ? 1 : 2, opacity: faint ? 0.35 : 1 },
    itemStyle: { opacity: faint ? 0.35 : 1 },
  }));
  const named = lines.length > 1;
  return draw(id, width, height, {
    title: titleOf(title),
    ...(named ? { legend: { right: 24, top: 0, itemGap: 28, itemHeight: 8, textStyle: { color: TEXT } } } : {}),
    grid: { left: 8, right: 24, top: 40, bottom: xName === '' ? 8 : 24, containLabel: true },
    xAxis: {
      ...axis,
      name: xName,
      nameLocation: 'middle',
      nameGap: 26,
      nameTextStyle: { color: TEXT },
      splitLine: { show: false },
    },
    yAxis: { ...axis, splitLine: { lineStyle: { color: '#8884' } } },
    series,
  });
}

const titleOf = (text: string) => ({ text, left: 0, textStyle: { fontSize: 14, color: TEXT } });

async function draw(id: string, width: number, height: number, option: EChartsOption): Promise<string> {
  const echarts = await import('echarts');
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, ...option });
    // Of styles there is only what a mouse does; their numbers count over the life of the process, as the charts' do.
    const svg = chart.renderToSVGString().replaceAll(/ class="zr\d+-cls-\d+"/g, '');
    return svg.replace(/<style[^]*<\/style>\s*/, '').replaceAll(/zr\d+-/g, `${id}-`);
  } finally {
    // Its timers would keep the process alive.
    chart.dispose();
  }
}
