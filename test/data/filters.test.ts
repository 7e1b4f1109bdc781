import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { filtersSchema } from '../../src/config/schema/prepare-text.ts';
import { makeFilters } from '../../src/data/filter/index.ts';
import type { Drop } from '../../src/data/row-step.ts';

type FilterName = 'gopher_repetition' | 'gopher_quality' | 'c4' | 'fineweb';

/** What decisions.py computed, and datatrove decided, about one document. */
interface Judged {
  name: string;
  language: 'en' | 'zh';
  text: string;
  filters: {
    [name in FilterName]: {
      drop: [string, number | string] | null;
      values?: Record<string, number>;
      text?: string | null;
    };
  };
}

const fixture = JSON.parse(
  gunzipSync(readFileSync(join(import.meta.dirname, '../golden/data/filter/decisions.json.gz'))).toString('utf8'),
) as { versions: Record<string, string | null>; documents: Judged[] };

const FILTERS = ['gopher_repetition', 'gopher_quality', 'c4', 'fineweb'] as const;

function only(filter: FilterName, section: unknown = true, language = 'auto') {
  return makeFilters(filtersSchema.parse({ [filter]: section, language }))[0]!;
}

const NONE = filtersSchema.parse({});

function dropOf(filter: FilterName, text: string, section: unknown = true): Drop | undefined {
  const result = only(filter, section).apply({ type: 'text', text });
  return 'drop' in result ? result.drop : undefined;
}

function leftBy(filter: FilterName, text: string, section: unknown = true): string {
  const result = only(filter, section).apply({ type: 'text', text });
  if ('drop' in result) throw new Error(`dropped by ${result.drop.rule}`);
  return (result.example as { text: string }).text;
}

describe('decisions on the fixture', () => {
  it('is of 200 English documents that datatrove judged, and Chinese ones', () => {
    expect(fixture.versions['datatrove']).toBeTypeOf('string');
    expect(fixture.documents.filter((document) => document.language === 'en')).toHaveLength(200);
    expect(fixture.documents.filter((document) => document.language === 'zh').length).toBeGreaterThan(40);
  });

  it.each(FILTERS)('%s drops what the published filter drops, by the same rule and value', (name) => {
    const filter = only(name);
    for (const { name: document, text, filters } of fixture.documents) {
      const result = filter.apply({ type: 'text', text });
      const expected = filters[name].drop;
      if (expected === null) {
        expect(result, document).not.toHaveProperty('drop');
        continue;
      }
      const drop = 'drop' in result ? result.drop : undefined;
      expect(drop?.rule, document).toBe(`filters.${name}.${expected[0]}`);
      if (typeof expected[1] === 'number') expect(drop!.value, document).toBeCloseTo(expected[1], 12);
    }
  });

  it('leaves of a text what C4 leaves', () => {
    const filter = only('c4');
    let changed = 0;
    for (const { name, text, filters } of fixture.documents) {
      if (filters.c4.drop !== null) continue;
      const result = filter.apply({ type: 'text', text });
      expect('example' in result && result.example, name).toEqual({ type: 'text', text: filters.c4.text });
      if (filters.c4.text !== text) changed++;
    }
    expect(changed).toBeGreaterThan(30);
    expect(filter.counts['c4 lines dropped by terminal_punctuation']).toBeGreaterThan(100);
    expect(filter.counts['c4 lines dropped by policy']).toBeGreaterThan(5);
    expect(filter.counts['c4 lines dropped by max_word_length']).toBeGreaterThan(1);
  });

  it.each(['gopher_repetition', 'gopher_quality', 'fineweb'] as const)('%s measures the same values', (name) => {
    for (const [rule, impossible] of Object.entries(IMPOSSIBLE[name])) {
      // Every other rule lets everything pass, so that this one is reached.
      const filter = makeFilters({ ...NONE, [name]: { ...HARMLESS[name], ...impossible } })[0]!;
      for (const { name: document, text, filters } of fixture.documents) {
        const expected = filters[name].values![rule];
        const result = filter.apply({ type: 'text', text });
        const value = 'drop' in result ? result.drop.value : 0;
        if (expected !== undefined) expect(value, `${document}: ${rule}`).toBeCloseTo(expected, 12);
      }
    }
  });
});

/** Limits that let everything pass. */
const HARMLESS: Record<'gopher_repetition' | 'gopher_quality' | 'fineweb', object> = {
  gopher_repetition: {
    dup_line_frac: 1,
    dup_para_frac: 1,
    dup_line_char_frac: 1,
    dup_para_char_frac: 1,
    top_n_grams: [],
    dup_n_grams: [],
  },
  gopher_quality: {
    min_doc_words: 1,
    max_doc_words: 1e9,
    min_avg_word_length: 0,
    max_avg_word_length: 1e9,
    max_symbol_word_ratio: 1e9,
    max_bullet_lines_ratio: 1,
    max_ellipsis_lines_ratio: 1,
    min_alpha_words_ratio: 0,
    min_stop_words: 0,
  },
  fineweb: {
    line_punct_thr: 0,
    short_line_length: 30,
    short_line_thr: 1,
    char_duplicates_ratio: 1,
    new_line_ratio: 1e9,
  },
};

/** By rule, limits that every text breaks that has a value other than the best one. */
const IMPOSSIBLE: Record<keyof typeof HARMLESS, Record<string, object>> = {
  gopher_repetition: {
    ...Object.fromEntries(
      ['dup_line_frac', 'dup_para_frac', 'dup_line_char_frac', 'dup_para_char_frac'].map((key) => [key, { [key]: 0 }]),
    ),
    ...Object.fromEntries([2, 3, 4].map((n) => [`top_n_grams.${n}`, { top_n_grams: [[n, 0]] }])),
    ...Object.fromEntries([5, 6, 7, 8, 9, 10].map((n) => [`dup_n_grams.${n}`, { dup_n_grams: [[n, 0]] }])),
  },
  gopher_quality: {
    min_doc_words: { min_doc_words: 1e9 },
    max_avg_word_length: { max_avg_word_length: 0 },
    min_alpha_words_ratio: { min_alpha_words_ratio: 2 },
    max_symbol_word_ratio: { max_symbol_word_ratio: 0 },
    max_bullet_lines_ratio: { max_bullet_lines_ratio: 0 },
    max_ellipsis_lines_ratio: { max_ellipsis_lines_ratio: 0 },
    min_stop_words: { min_stop_words: 9 },
  },
  fineweb: {
    short_line_thr: { short_line_thr: 0 },
    char_duplicates_ratio: { char_duplicates_ratio: 0 },
    new_line_ratio: { new_line_ratio: 0 },
  },
};

describe('Chinese text', () => {
  it('is what Han characters prevail in, unless the config says which', () => {
    const mixed = '我们用 TensorFlow 训练模型。';
    expect(dropOf('gopher_quality', mixed)!.value).toBe(7 / 1.6 + 1);
    expect(dropOf('gopher_quality', 'We call it 模型, in TensorFlow.')!.value).toBe(6);
    const english = only('gopher_quality', true, 'en').apply({ type: 'text', text: mixed });
    expect('drop' in english && english.drop.value).toBe(3);
  });

  it('has no rule on the length of words', () => {
    const text = '我们在这里讨论的是数据的质量和数量。'.repeat(20);
    expect(dropOf('gopher_quality', text)).toBeUndefined();
    const asEnglish = only('gopher_quality', true, 'en').apply({ type: 'text', text });
    expect('drop' in asEnglish && asEnglish.drop.rule).toBe('filters.gopher_quality.min_doc_words');
  });

  it('keeps lines that end in full-width marks and drops notices', () => {
    const lines = [
      '今天的天气非常好。',
      '你也这样认为吗？',
      '“当然是这样！”',
      '我们去公园散步吧！',
      '然后一起回家吃饭。',
    ];
    const text = [...lines, '请阅读我们的隐私政策。', '点击这里查看更多……', '首页'].join('\n');
    expect(leftBy('c4', text)).toBe(lines.join('\n'));
  });
});

describe('rows', () => {
  const sentence = 'The quiet teacher of the village carried a golden letter to the harbour. ';

  it('of a conversation are judged as one document, and C4 leaves their turns alone', () => {
    const messages = [
      { role: 'user', content: 'Tell me about the harbour' },
      { role: 'assistant', content: `${sentence.repeat(6)}\nSee more...` },
    ];
    const example = { type: 'messages' as const, messages };
    const c4 = only('c4');
    expect(c4.apply(example)).toEqual({ example });
    expect(c4.counts).toEqual({});
    const short = only('gopher_quality').apply({ ...example, messages: messages.slice(0, 1) });
    expect(short).toEqual({ drop: { rule: 'filters.gopher_quality.min_doc_words', value: 5, limit: 50 } });
  });

  it('come out alike whatever rows were judged before', () => {
    const filters = makeFilters(ALL);
    const judgeAll = (documents: readonly Judged[]) =>
      documents.map(({ text }) => {
        const result = filters.map((filter) => filter.apply({ type: 'text', text }));
        return JSON.stringify(result);
      });
    const once = judgeAll(fixture.documents);
    expect(judgeAll([...fixture.documents].reverse()).reverse()).toEqual(once);
  });

  it('of nothing, of white space and of one endless word are judged, too', () => {
    for (const text of [
      '',
      ' ',
      '\n\n',
      '。',
      'a'.repeat(3e6),
      '('.repeat(2e5),
      '-a'.repeat(1e5),
      '😀'.repeat(5e4),
      '\ud800 x',
    ]) {
      for (const filter of makeFilters(ALL)) {
        const result = filter.apply({ type: 'text', text });
        if ('drop' in result) expect(result.drop.value).not.toBeNaN();
      }
    }
  });
});

const ALL = filtersSchema.parse({ gopher_repetition: true, gopher_quality: true, c4: true, fineweb: true });

describe('limits', () => {
  it('of 0 are limits', () => {
    expect(
      dropOf('gopher_quality', 'One # and no more words than that.', { ...QUIET, max_symbol_word_ratio: 0 }),
    ).toEqual({
      rule: 'filters.gopher_quality.max_symbol_word_ratio',
      value: 1 / 9,
      limit: 0,
    });
  });

  it('run in the order of the FineWeb pipeline', () => {
    const first = makeFilters(ALL).map((filter) => {
      const result = filter.apply({ type: 'text', text: 'no\nno\nno' });
      return 'drop' in result ? result.drop.rule.split('.')[1] : '';
    });
    expect(first).toEqual(['gopher_repetition', 'gopher_quality', 'c4', 'fineweb']);
  });

  it('of n-grams may have any n, in any order', () => {
    const text = 'a b c d a b c d a b c d';
    const drop = dropOf('gopher_repetition', text, {
      top_n_grams: [
        [3, 0.9],
        [1, 0.1],
      ],
      dup_n_grams: [],
    });
    expect(drop).toEqual({ rule: 'filters.gopher_repetition.top_n_grams.1', value: 3 / 23, limit: 0.1 });
  });
});

/** Of Gopher's quality rules, none but those on symbols and lines. */
const QUIET = { min_doc_words: 1, min_alpha_words_ratio: 0, min_stop_words: 0 };
