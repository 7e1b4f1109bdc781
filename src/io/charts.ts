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

const TEXT = '#57606a';
const BAR = '#3b7dd8';

/**
 * A bar chart as an SVG element, drawn by ECharts without a browser. The same bars give the same text.
 *
 * @param id tells the charts of one page apart: names inside of the SVG begin with it.
 */
export async function barChart(id: string, options: BarChartOptions): Promise<string> {
  const echarts = await import('echarts');
  const { title, bars, horizontal = false, width = 720, height = horizontal ? 70 + 28 * bars.length : 260 } = options;
  const names = { type: 'category', data: bars.map((bar) => bar.name), axisLabel: { color: TEXT } } as const;
  const values = { type: 'value', axisLabel: { color: TEXT }, splitLine: { lineStyle: { color: '#8884' } } } as const;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      title: { text: title, left: 0, textStyle: { fontSize: 14, color: TEXT } },
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
    // Of styles there is only what a mouse does; their numbers count over the life of the process, as the charts' do.
    const svg = chart.renderToSVGString().replaceAll(/ class="zr\d+-cls-\d+"/g, '');
    return svg.replace(/<style[^]*<\/style>\s*/, '').replaceAll(/zr\d+-/g, `${id}-`);
  } finally {
    // Its timers would keep the process alive.
    chart.dispose();
  }
}
