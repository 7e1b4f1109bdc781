import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { identifyLanguage, makeLanguage } from '../../src/data/clean/language.ts';
import { applyToText, turn } from './clean-helpers.ts';

/** Written for this test: what people ask a bank, and a sentence of another kind. */
const SENTENCES: Record<string, string[]> = {
  en: ['My card was swallowed by the machine this morning.', 'The old bridge was closed for repairs last winter.'],
  de: ['Meine Karte wurde heute Morgen vom Automaten eingezogen.', 'Die alte Brücke war im letzten Winter gesperrt.'],
  fr: [
    'Ma carte a été avalée par le distributeur ce matin.',
    'Le vieux pont était fermé pour travaux l’hiver dernier.',
  ],
  es: ['El cajero se tragó mi tarjeta esta mañana.', 'El puente viejo estuvo cerrado el invierno pasado.'],
  pt: ['O caixa automático engoliu o meu cartão esta manhã.', 'A ponte velha esteve fechada no inverno passado.'],
  it: [
    'Lo sportello ha trattenuto la mia carta stamattina.',
    'Il vecchio ponte era chiuso per lavori lo scorso inverno.',
  ],
  nl: [
    'Mijn pas is vanmorgen door de automaat ingeslikt.',
    'De oude brug was afgelopen winter gesloten voor onderhoud.',
  ],
  pl: ['Bankomat połknął dziś rano moją kartę płatniczą.', 'Stary most był zamknięty z powodu remontu zeszłej zimy.'],
  sv: ['Automaten svalde mitt kort i morse.', 'Den gamla bron var stängd för reparation förra vintern.'],
  tr: ['Bankamatik bu sabah kartımı yuttu.', 'Eski köprü geçen kış onarım için kapatıldı.'],
  ru: ['Банкомат сегодня утром проглотил мою карту.', 'Старый мост прошлой зимой был закрыт на ремонт.'],
  uk: ['Банкомат сьогодні вранці забрав мою картку.', 'Старий міст минулої зими був закритий на ремонт.'],
  el: ['Το μηχάνημα κράτησε την κάρτα μου σήμερα το πρωί.', 'Η παλιά γέφυρα ήταν κλειστή τον περασμένο χειμώνα.'],
  he: ['הכספומט בלע את הכרטיס שלי הבוקר.', 'הגשר הישן היה סגור לתיקונים בחורף שעבר.'],
  ar: ['ابتلع الصراف الآلي بطاقتي هذا الصباح.', 'كان الجسر القديم مغلقا للإصلاح في الشتاء الماضي.'],
  hi: ['मशीन ने आज सुबह मेरा कार्ड निगल लिया।', 'पुराना पुल पिछली सर्दियों में मरम्मत के लिए बंद था।'],
  th: ['เครื่องกลืนบัตรของฉันเมื่อเช้านี้', 'สะพานเก่าปิดซ่อมเมื่อฤดูหนาวที่แล้ว'],
  vi: ['Máy rút tiền đã nuốt thẻ của tôi sáng nay.', 'Cây cầu cũ đã đóng cửa để sửa chữa mùa đông năm ngoái.'],
  zh: ['今天早上取款机吞了我的卡。', '去年冬天，老桥因维修而关闭。', '請問如何申請信用卡？'],
  ja: ['今朝、機械にカードを飲み込まれました。', '古い橋は去年の冬、修理のため閉鎖されていた。'],
  ko: ['오늘 아침 기계가 제 카드를 먹었습니다.', '오래된 다리는 작년 겨울 수리로 폐쇄되었다.'],
};

/** Nearly Norwegian; and words that Marathi has as well. */
const UNSURE = [SENTENCES.sv![0]!, SENTENCES.hi![0]!];

describe('identifying a language', () => {
  it.each(Object.entries(SENTENCES))('%s', (language, sentences) => {
    for (const sentence of sentences) {
      const found = identifyLanguage(sentence);
      expect(found.language).toBe(language);
      expect(found.confidence).toBeLessThanOrEqual(1);
      if (UNSURE.includes(sentence)) expect(found.confidence).toBeLessThan(0.65);
      else expect(found.confidence).toBeGreaterThan(0.65);
    }
  });

  it('is surer of a paragraph than of a sentence', () => {
    for (const sentences of Object.values(SENTENCES)) {
      const paragraph = identifyLanguage(sentences.join(' '));
      expect(paragraph.confidence).toBeGreaterThan(0.8);
    }
  });

  it.each(['ok', 'Hello', 'Taxi', 'hm', '好', 'カ', 'SKU-1', 'a b c'])('is not sure of %s', (text) => {
    expect(identifyLanguage(text).confidence).toBeLessThan(0.65);
  });

  it.each(['', ' \n', '12345 + 678', '!!! ???', '😀😀', 'https://'])('says und of %j', (text) => {
    const found = identifyLanguage(text);
    if (found.language !== 'und') expect(found.confidence).toBeLessThan(0.5);
    else expect(found.confidence).toBe(0);
  });

  it('takes the language that prevails in mixed text, with less confidence', () => {
    const mixed = identifyLanguage('请问 API key 怎么申请？我在 developer portal 里没有找到入口。');
    expect(mixed.language).toBe('zh');
    expect(mixed.confidence).toBeLessThan(0.9);
    expect(identifyLanguage('What does the word 银行 mean in this sentence, and how is it pronounced?').language).toBe(
      'en',
    );
  });

  it('takes Chinese with a few kana for Chinese, and Japanese with many Han characters for Japanese', () => {
    expect(identifyLanguage('这家叫做「の味」的餐厅在城东的老街上，味道很好。').language).toBe('zh');
    expect(identifyLanguage('株式会社日本銀行本店は東京都中央区にある').language).toBe('ja');
  });

  it('looks at the middle and the end of a long text too', () => {
    const text = `${SENTENCES.de!.join(' ').repeat(20)} ${SENTENCES.en!.join(' ').repeat(60)}`;
    const found = identifyLanguage(text);
    expect(found.language).toBe('en');
    expect(found.confidence).toBeLessThan(0.8);
  });

  it('takes little time for a row of 10 MB', () => {
    const text = SENTENCES.en![0]!.repeat(200_000);
    identifyLanguage('warm');
    const start = performance.now();
    expect(identifyLanguage(text).language).toBe('en');
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe('the step', () => {
  it('keeps the languages asked for, and drops others and the uncertain with language and confidence', () => {
    const step = makeLanguage({ keep: ['en', 'zh'], min_confidence: 0.65 });
    expect(applyToText(step, SENTENCES.en![0]!)).toBe(SENTENCES.en![0]);
    expect(applyToText(step, SENTENCES.zh![0]!)).toBe(SENTENCES.zh![0]);
    expect(applyToText(step, SENTENCES.de![0]!)).toEqual({
      rule: 'language',
      value: expect.stringMatching(/^de 0\.\d\d$/),
      limit: 'en, zh ≥ 0.65',
    });
    expect(applyToText(step, 'ok')).toMatchObject({ rule: 'language' });
    expect(step.counts).toEqual({ 'en kept': 1, 'zh kept': 1 });
  });

  it('judges a conversation as one text', () => {
    const step = makeLanguage({ keep: ['en'], min_confidence: 0.65 });
    const messages = [turn('user', 'ok'), turn('assistant', SENTENCES.en![0]!)];
    const example = { type: 'messages' as const, messages };
    expect(step.apply(example)).toEqual({ example });
  });
});

const questions = path.join(process.env.LLMKIT_SHARED ?? path.resolve('../shared'), 'data', 'banking77_train.csv');

describe.skipIf(!existsSync(questions))('real questions (skipped where LLMKIT_SHARED has no data)', () => {
  it('knows 99 of 100 short English questions, 98 of them beyond the default confidence', () => {
    const rows = readFileSync(questions, 'utf8').split('\n').slice(1, 2001);
    const found = rows.map((row) => identifyLanguage(row.replace(/,[a-z_?]+\r?$/i, '')));
    const english = found.filter(({ language }) => language === 'en');
    expect(english.length / rows.length).toBeGreaterThan(0.99);
    expect(english.filter(({ confidence }) => confidence >= 0.65).length / rows.length).toBeGreaterThan(0.98);
  });
});
