import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mendMojibake } from '../../src/data/clean/mojibake.ts';

interface Case {
  kind: string;
  text: string;
  original: string | null;
  ftfy: string;
}

const { cases } = JSON.parse(readFileSync(new URL('../golden/data/clean/mojibake.json', import.meta.url), 'utf8')) as {
  cases: Case[];
};

/** Where llmkit's answer is not ftfy 6.3.1's, and why. All other cases are the same. */
const DIFFERENCES: Record<string, string> = {
  'AMANHÃ” dizia o cartaz, e “IRMÔ também.': 'right as it stands: capitals before a closing quote; ftfy changes it',
  '“Ã” é uma letra.': 'right as it stands: a letter in quotes; ftfy changes it',
  '1.54 Å±0.02': 'right as it stands: ångström plus or minus; ftfy changes it',
  'Ø½″ pipe': 'right as it stands: a diameter; ftfy changes it',
  'He said â€œhelloâ€ to me': 'the closing quote has lost its last byte; ftfy reads † from it and the space',
  'voilÃ  une idÃ©e, été': 'with right text beside it, the lost byte of à is not guessed',
  'line\x85next': 'U+0085 alone is a line end in some systems; ftfy reads …',
};

describe('mending mojibake', () => {
  it('has enough cases, and an answer of ftfy for each', () => {
    expect(cases.length).toBeGreaterThanOrEqual(150);
    for (const { ftfy } of cases) expect(typeof ftfy).toBe('string');
  });

  it.each(cases.filter(({ kind }) => kind === 'right' || kind === 'trap'))('leaves right text: $text', ({ text }) => {
    expect(mendMojibake(text)).toBe(text);
  });

  it.each(cases.filter(({ kind, original }) => kind !== 'right' && kind !== 'trap' && original !== null))(
    'restores $original ($kind)',
    ({ text, original }) => {
      expect(mendMojibake(text)).toBe(original);
    },
  );

  it('answers as ftfy does, but for the differences listed and UTF-8 read as GBK, which ftfy does not know', () => {
    const differing = cases.filter(({ kind, text, ftfy }) => kind !== 'gbk' && mendMojibake(text) !== ftfy);
    expect(differing.map(({ text }) => text).sort()).toEqual(Object.keys(DIFFERENCES).sort());
  });

  it('leaves Chinese read as GBK that has lost a byte, which cannot be restored beyond doubt', () => {
    const lossy = cases.filter(({ kind, original }) => kind === 'gbk' && original === null);
    expect(lossy.length).toBeGreaterThan(0);
    for (const { text } of lossy) expect(mendMojibake(text)).toBe(text);
  });

  it('keeps correct words of a hundred languages, and restores them when they are damaged', () => {
    const codes =
      'am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko ky lo lt lv mk ml mn mr ms my nb ne nl pa pl ps pt ro ru si sk sl sq sr sv sw ta te th tr uk ur uz vi zh zu'.split(
        ' ',
      );
    let words = 0;
    let restored = 0;
    for (const code of codes) {
      const names = new Intl.DisplayNames(code, { type: 'region' });
      const list = ['DE', 'FR', 'CN', 'AT', 'RO', 'SE', 'TR', 'BR', 'CI', 'ES'].map((region) => names.of(region)!);
      const line = list.join(', ');
      const quoted = `«${line}» “${line.toUpperCase()}”… „${line}“ — ‘${line.toUpperCase()}’`;
      expect(mendMojibake(quoted)).toBe(quoted);
      if (/^[\0-\x7f]*$/.test(line)) continue;
      words++;
      const damaged = Buffer.from(line).toString('latin1');
      if (mendMojibake(damaged) === line) restored++;
    }
    expect(words).toBeGreaterThan(60);
    expect(restored).toBe(words);
  });
});
