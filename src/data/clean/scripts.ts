/** Letters of a text by what tells East Asian languages apart. */
export interface ScriptCounts {
  han: number;
  kana: number;
  hangul: number;
  /** Of all other scripts. */
  letters: number;
}

export function countScripts(text: string): ScriptCounts {
  const counts = { han: 0, kana: 0, hangul: 0, letters: 0 };
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      const lower = unit | 32;
      if (lower >= 97 && lower <= 122) counts.letters++;
    } else if (unit >= 0x4e00 ? unit <= 0x9fff : unit >= 0x3400 && unit <= 0x4dbf) counts.han++;
    else if (unit >= 0x3041 && unit <= 0x30ff) counts.kana++;
    else if (unit >= 0xac00 && unit <= 0xd7a3) counts.hangul++;
    else if ((unit >= 0xc0 && unit < 0x2000 && unit !== 0xd7 && unit !== 0xf7) || (unit >= 0xfb00 && unit <= 0xfefc)) {
      counts.letters++;
    }
  }
  return counts;
}

/** One Han character says about as much as three letters, a syllable of kana or Hangul as two. */
export function eastAsianShare({ han, kana, hangul, letters }: ScriptCounts): number {
  const eastAsian = 3 * han + 2 * kana + 2 * hangul;
  return eastAsian === 0 ? 0 : eastAsian / (eastAsian + letters);
}

/**
 * Chinese, Japanese or Korean by script: Hangul is Korean; a tenth of kana makes Han Japanese. Confidence is the part of
 * the text in those scripts, less where there are few characters: half for two of them.
 */
export function eastAsianLanguage(counts: ScriptCounts): { language: string; confidence: number } {
  const { han, kana, hangul } = counts;
  const share = eastAsianShare(counts);
  const sure = (characters: number) => share * (1 - 0.5 ** (characters / 2));
  if (hangul > han + kana) return { language: 'ko', confidence: sure(2 * hangul) };
  if (10 * kana >= han + kana) return { language: 'ja', confidence: sure(2 * kana) };
  return { language: 'zh', confidence: sure(han) };
}
