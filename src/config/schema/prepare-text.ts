import { z } from 'zod';
import { fileOrFolder, positiveInt } from './common.ts';

/** Sections of `prepare` that change, judge or drop rows by their text. */

/** `true` stands for the section with its defaults, `false` for none of it; the parsed value is false or the section. */
function switchable<Shape extends z.ZodObject>(section: Shape, byDefault: boolean) {
  return z
    .union([z.boolean(), section])
    .default(byDefault)
    .transform((value): z.output<Shape> | false => (value === true ? section.parse({}) : value));
}

const ratio = z.number().min(0).max(1);

export const cleanSchema = z.strictObject({
  unicode: z.enum(['nfc', 'nfkc', 'none']).default('nfc').describe('Unicode normalization form.'),
  mojibake: z
    .boolean()
    .default(true)
    .describe('Mend UTF-8 that was read as Windows-1252, Latin-1 or GBK (cafÃ© to café), where it is beyond doubt.'),
  control_chars: z.boolean().default(true).describe('Remove control and zero-width characters, save tab and newline.'),
  whitespace: z.boolean().default(true).describe('CRLF to LF, no trailing spaces, at most two newlines in a row.'),
  html: z.boolean().default(false).describe('Turn markup in texts into plain text; .html files always are.'),
  boilerplate: z
    .boolean()
    .default(false)
    .describe('Remove lines of page furniture: cookie notices, copyright, share and login links, navigation.'),
});

const PII_KINDS = ['email', 'phone', 'ip', 'card', 'iban', 'cn_id'] as const;

export const piiSchema = switchable(
  z.strictObject({
    kinds: z
      .array(z.enum(PII_KINDS))
      .min(1)
      .default([...PII_KINDS])
      .describe('What to look for; each hit is checked (card: Luhn, IBAN and CN identity card: checksum).'),
    action: z
      .enum(['redact', 'drop'])
      .default('redact')
      .describe('Put a tag such as [EMAIL] in its place, or drop the row.'),
  }),
  false,
).describe(
  'Personal data: email, phone (E.164, CN and North American forms), public IP, bank card, IBAN, CN identity card.',
);

export const keywordsSchema = z
  .array(fileOrFolder)
  .default([])
  .describe('Rule files (YAML): words and regular expressions with a severity: drop, redact or flag.');

export const languageSchema = z
  .strictObject({
    keep: z
      .array(z.string().regex(/^[a-z]{2,3}$/))
      .min(1)
      .describe('ISO 639-1 codes, e.g. [en, zh].'),
    min_confidence: ratio.default(0.65).describe('Rows whose language is less certain are dropped.'),
  })
  .optional()
  .describe('Keep rows of these languages only.');

/** Gopher's quality rules (Rae et al., 2021, table A1). */
const gopherQualitySchema = switchable(
  z.strictObject({
    min_doc_words: positiveInt.default(50).describe('Without marks; of Chinese text, Han characters / 1.6.'),
    max_doc_words: positiveInt.default(100_000),
    min_avg_word_length: z.number().nonnegative().default(3).describe('Not asked of Chinese text.'),
    max_avg_word_length: z.number().nonnegative().default(10),
    max_symbol_word_ratio: z.number().nonnegative().default(0.1).describe('Of # and of ellipses to words, each.'),
    max_bullet_lines_ratio: ratio.default(0.9),
    max_ellipsis_lines_ratio: ratio.default(0.3),
    min_alpha_words_ratio: ratio.default(0.8).describe('Of words with at least one letter.'),
    min_stop_words: z.int().nonnegative().default(2),
  }),
  false,
);

/** Gopher's repetition rules (Rae et al., 2021, table A1); ratios of characters unless named otherwise. */
const gopherRepetitionSchema = switchable(
  z.strictObject({
    dup_line_frac: ratio.default(0.3),
    dup_para_frac: ratio.default(0.3),
    dup_line_char_frac: ratio.default(0.2),
    dup_para_char_frac: ratio.default(0.2),
    top_n_grams: z
      .array(z.tuple([positiveInt, ratio]))
      .default([
        [2, 0.2],
        [3, 0.18],
        [4, 0.16],
      ])
      .describe(
        '[n, most characters that the most frequent n-gram may cover]; n counts words, of Chinese text 1.6 characters each.',
      ),
    dup_n_grams: z
      .array(z.tuple([positiveInt, ratio]))
      .default([
        [5, 0.15],
        [6, 0.14],
        [7, 0.13],
        [8, 0.12],
        [9, 0.11],
        [10, 0.1],
      ])
      .describe('[n, most characters that repeated n-grams may cover].'),
  }),
  false,
);

/** C4's rules (Raffel et al., 2020, section 2.2): they drop lines, then judge what is left. */
const c4Schema = switchable(
  z.strictObject({
    terminal_punctuation: z.boolean().default(true).describe('Drop lines that do not end like a sentence.'),
    min_words_per_line: z.int().nonnegative().default(3),
    max_word_length: positiveInt.default(1000),
    min_num_sentences: z.int().nonnegative().default(5),
    lorem_ipsum: z.boolean().default(true),
    javascript: z.boolean().default(true).describe('Drop lines that speak of JavaScript.'),
    curly_bracket: z.boolean().default(true).describe('Drop rows with a { in a line that is left.'),
    policy: z.boolean().default(true).describe('Drop lines of terms, cookie and privacy notices.'),
    remove_citations: z.boolean().default(true).describe('Remove [1], [edit] and [citation needed].'),
  }),
  false,
);

/** FineWeb's own rules (Penedo et al., 2024, section 3.6). */
const finewebSchema = switchable(
  z.strictObject({
    line_punct_thr: ratio.default(0.12).describe('Least part of lines that end in punctuation.'),
    short_line_thr: ratio.default(0.67).describe('Most part of lines that are short.'),
    short_line_length: positiveInt
      .default(30)
      .describe('Characters; of Chinese text, columns, of which a Han character takes two.'),
    char_duplicates_ratio: ratio.default(0.01).describe('Most part of characters in lines that repeat others.'),
    new_line_ratio: z.number().nonnegative().default(0.3).describe('Most newlines to words.'),
  }),
  false,
);

export const filtersSchema = z.strictObject({
  gopher_quality: gopherQualitySchema.describe('Gopher: words, symbols, bullets, stop words.'),
  gopher_repetition: gopherRepetitionSchema.describe('Gopher: repeated lines, paragraphs and n-grams.'),
  c4: c4Schema.describe(
    'C4: sentences, policy lines, code; only text rows lose lines, other rows are judged by what would be left.',
  ),
  fineweb: finewebSchema.describe('FineWeb: punctuation at line ends, short and repeated lines.'),
  language: z
    .enum(['auto', 'en', 'zh'])
    .default('auto')
    .describe('Which word list and word segmentation judge a row; auto: Chinese where Han characters prevail.'),
});

const nearDedupSchema = z
  .strictObject({
    threshold: z
      .number()
      .gt(0)
      .lt(1)
      .optional()
      .describe(
        'Jaccard similarity from which rows count as duplicates: chooses bands and rows so that few are missed.',
      ),
    bands: positiveInt.default(14),
    rows: positiveInt.default(8).describe('Hashes in a band; P(match) = 1 - (1 - s^rows)^bands.'),
    ngram: positiveInt.default(5).describe('Words in a shingle; of Chinese text, characters.'),
  })
  .superRefine((near, context) => {
    if (near.bands * near.rows <= 4096) return;
    context.addIssue({ code: 'custom', path: ['bands'], message: 'bands × rows is more than 4096 hashes a row' });
  });

export const dedupSchema = z.strictObject({
  exact: z.boolean().default(true).describe('Drop rows whose cleaned text was seen before, white space aside.'),
  near: switchable(nearDedupSchema, false).describe('Drop rows that nearly repeat another (MinHash-LSH).'),
  scope: z.enum(['all', 'source']).default('all').describe('Compare rows across sources, or within each.'),
  keep: z.enum(['first', 'best']).default('first').describe('Of duplicates keep the first, or the longest.'),
});

export const decontaminateSchema = z
  .strictObject({
    against: z.array(fileOrFolder).min(1).describe('Evaluation files; rows that repeat them are dropped.'),
    ngram: positiveInt
      .default(12)
      .describe('Words in a row that count as a leak; of Chinese text, 1.6 characters for each.'),
  })
  .optional()
  .describe('Drop rows that hold the answers of evaluation data (n-grams over the answer and where it begins).');
