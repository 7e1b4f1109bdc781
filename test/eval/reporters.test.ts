import { describe, expect, it } from 'vitest';
import { checkGates } from '../../src/eval/gate.ts';
import { accuracyMetric, perplexityMetric, type TaskResult } from '../../src/eval/metrics.ts';
import { junitXml } from '../../src/eval/reporters/junit.ts';
import { githubAnnotations, markdownSummary } from '../../src/eval/reporters/markdown.ts';
import { type EvalRun, lmEvalResults, sampleLines } from '../../src/eval/reporters/results.ts';
import { resultTables } from '../../src/eval/reporters/tables.ts';
import { checkXml } from './xml.ts';

const results: TaskResult[] = [
  {
    task: 'perplexity',
    type: 'perplexity',
    metrics: [
      perplexityMetric('perplexity', 'per target token, documents apart', [
        { id: 'aaaaaaaaaaaa', logProb: -20, weight: 10 },
        { id: 'bbbbbbbbbbbb', logProb: -33, weight: 15 },
      ]),
    ],
    samples: [
      {
        doc_id: 0,
        doc: 'a line\nand more',
        target: '',
        arguments: [],
        resps: [[-20]],
        filtered_resps: [-20],
        filter: 'none',
        metrics: ['perplexity'],
        doc_hash: 'aaaaaaaaaaaa',
        perplexity: [-20, 10],
      },
    ],
    n: { original: 3, effective: 2 },
    config: { task: 'perplexity', output_type: 'loglikelihood_rolling' },
    version: 1,
  },
  {
    task: 'intents',
    type: 'intents',
    metrics: [accuracyMetric('acc', 'the likeliest choice', ['q0', 'q1', 'q2', 'q3'], [1, 0, 1, 1])],
    samples: [],
    n: { original: 4, effective: 4 },
    config: { task: 'intents', output_type: 'multiple_choice' },
    version: 1,
  },
];
const checks = checkGates(
  { acc: { min: 0.8 }, perplexity: { max: 10, max_regression: 0.005 }, 'no<such>&"metric"': { min: 1 } },
  results,
  undefined,
);
const run: EvalRun = {
  model: 'quantized',
  modelArgs: { engine: 'ONNX Runtime 1.30.0 (int8)', adapter: null },
  maxLength: 1024,
  tokenizer: { bos: undefined, eos: ['<|end|>', 0], pad: undefined },
  chatTemplate: '{{ messages }}',
  llmkitVersion: '0.1.0',
  git: undefined,
  gates: [],
};

describe('results.json', () => {
  it('has the layout of lm-eval', () => {
    expect(lmEvalResults(run, results)).toMatchSnapshot();
  });

  it('has no number where there is none', () => {
    const broken = {
      ...results[0]!,
      metrics: [perplexityMetric('perplexity', '', [{ id: 'a', logProb: -Infinity, weight: 1 }])],
    };
    const json = JSON.parse(JSON.stringify(lmEvalResults(run, [broken]))) as { results: Record<string, unknown> };
    expect(json.results['perplexity']).toMatchObject({ 'perplexity,none': 'N/A', 'perplexity_stderr,none': 'N/A' });
  });

  it('has its samples a line each', () => {
    expect(sampleLines(results[0]!).split('\n')).toHaveLength(2);
    expect(JSON.parse(sampleLines(results[0]!))).toEqual(results[0]!.samples[0]);
  });
});

describe('junit.xml', () => {
  it('has a case a check, and is well-formed', () => {
    const xml = junitXml('quantized', results, checks);
    expect(xml).toMatchSnapshot();
    const elements = checkXml(xml);
    expect(elements[0]).toMatchObject({ name: 'testsuites', attributes: { tests: '4', failures: '3' } });
    expect(elements.filter(({ name }) => name === 'testcase')).toHaveLength(4);
    expect(elements.filter(({ name }) => name === 'failure')).toHaveLength(3);
  });

  it('has a case for a task without gates', () => {
    const elements = checkXml(junitXml('base', results, []));
    expect(elements.filter(({ name }) => name === 'testcase')).toHaveLength(2);
    expect(elements[0]).toMatchObject({ attributes: { tests: '2', failures: '0' } });
  });

  it('stays well-formed whatever a name or message holds', () => {
    const nasty = '</testsuites> & "quotes" \' ]]> \u0000\u0008\ud800 \ufffe 🙂\n\t<!--';
    const xml = junitXml(nasty, results, [
      { ...checks[0]!, task: nasty, gate: nasty, metric: nasty, message: nasty, pass: false },
    ]);
    const failure = checkXml(xml).find(({ name }) => name === 'failure')!;
    expect(failure.attributes['message']).toContain('&lt;/testsuites&gt; &amp; &quot;quotes&quot; &apos; ]]&gt;');
    expect(failure.attributes['message']).toContain('🙂');
  });

  it('is checked by a check that can fail', () => {
    const head = '<?xml version="1.0" encoding="UTF-8"?>\n';
    for (const body of [
      '<a>',
      '<a></b>',
      '<a x="1" x="2"/>',
      '<a>&</a>',
      '<a x="<"/>',
      '<a/><b/>',
      '<a/>text',
      '<a>\u0001</a>',
      '',
    ]) {
      expect(() => checkXml(head + body), body).toThrow();
    }
    expect(checkXml(`${head}<a x="&amp;"><b/>text</a>\n`)).toHaveLength(2);
  });
});

describe('the markdown summary', () => {
  it('shows the verdict, measurements and gates', () => {
    expect(markdownSummary('runs/quantized', results, checks)).toMatchSnapshot();
    expect(markdownSummary('base', results, [])).not.toContain('| gate |');
  });

  it('lets no name break a table', () => {
    const odd = [{ ...results[0]!, task: 'a|b\n`c`<d>' }];
    const lines = markdownSummary('m', odd, []).split('\n');
    expect(lines.find((line) => line.includes('perplexity |'))).toBe(
      '| a\\|b \\`c\\`\\<d\\> | perplexity | 8.331 | 0.7998 | 2 |',
    );
  });

  it('annotates the checks that failed, with workflow commands escaped', () => {
    const annotations = githubAnnotations([
      ...checks,
      { ...checks[0]!, gate: 'a:b,c', message: '50% less\nthan asked' },
    ]);
    expect(annotations).toHaveLength(4);
    expect(annotations.at(-1)).toBe('::error title=llmkit gate a%3Ab%2Cc min::50%25 less%0Athan asked');
  });
});

describe('the tables', () => {
  it('have a row a metric and, where there are gates, a row a check', () => {
    const [measured, gates] = resultTables(results, checks);
    expect(measured!.rows).toEqual([
      ['perplexity', 'perplexity', '8.331', '0.7998', '2'],
      ['intents', 'acc', '0.7500', '0.2500', '4'],
    ]);
    expect(gates!.rows).toHaveLength(4);
    expect(resultTables(results, [])).toHaveLength(1);
  });
});
