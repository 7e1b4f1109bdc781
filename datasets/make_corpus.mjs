// Writes the text corpus (corpus/en.txt, corpus/zh.txt; one document a line) from the sentences in corpus/source,
// the grammars of bank-support and sums. Run: node datasets/make_corpus.mjs [--out <dir>]. Same bytes every time.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chance, endMark, expand, parseGrammar, parseTopics, pick, random, shuffle, similarity } from './grammar.mjs';
import { numbersDocument } from './numbers.mjs';

const SEED = 20240608;
const TOPIC_DOCUMENTS = { en: 6, zh: 8 };
const DIALOGUES = 340;
const NUMBER_DOCUMENTS = 240;
// A customer's words in a dialogue stay at least this far from every question of the bank-support test split.
const MAX_LIKENESS_TO_TEST = 0.35;

const here = dirname(fileURLToPath(import.meta.url));
const read = (path) => readFileSync(join(here, path), 'utf8');

const TALK = {
  en: {
    join: ' ',
    customer: 'Customer: ',
    agent: 'Agent: ',
    greeting: [
      'Good morning, how can I help you?',
      'Hello, what can I do for you?',
      'Welcome to the bank. How can I help?',
    ],
    thanks: ['Thank you, that helps.', 'Great, thanks.', 'All right, thank you very much.', 'Okay, I will try that.'],
    goodbye: [
      'You are welcome. Have a nice day!',
      'My pleasure. Goodbye!',
      'Is there anything else? If not, have a good day.',
    ],
  },
  zh: {
    join: '',
    customer: '客户：',
    agent: '客服：',
    greeting: ['您好，请问有什么可以帮您？', '早上好，很高兴为您服务。', '您好，请讲。'],
    thanks: ['好的，谢谢。', '明白了，多谢。', '知道了，我试试。', '谢谢您，帮大忙了。'],
    goodbye: ['不客气，祝您愉快！', '不用谢，再见。', '还有别的问题吗？没有的话，祝您一切顺利。'],
  },
};

/** The opening sentence of a topic and about half of the others, in their order; sometimes under its title. */
function topicDocument(next, grammar, { title, sentences }, english) {
  const { language } = grammar;
  const [first, ...others] = sentences;
  const count = Math.min(others.length, 3 + Math.floor(next() * 3));
  const kept = new Set(shuffle(next, [...others.keys()]).slice(0, count));
  const bound = new Map();
  const chosen = [first, ...others.filter((_, index) => kept.has(index))];
  const text = chosen
    .map((sentence) => expand(next, grammar, sentence, bound))
    .map((sentence) => sentence.charAt(0).toUpperCase() + sentence.slice(1))
    .join(TALK[language].join);
  if (!chance(next, 0.5)) return text;
  const head = title.charAt(0).toUpperCase() + title.slice(1);
  // A bank's pages name their topics in both languages.
  if (language === 'zh') return `${head}${english && chance(next, 0.5) ? `（${english}）` : ''}：${text}`;
  return `${head}. ${text}`;
}

/** A customer and an agent on one matter: one exchange, often a second one, often a goodbye. */
function dialogue(next, grammar, { patterns, sequels, replies }, farFromTest) {
  const { join: space, customer, agent, ...talk } = TALK[grammar.language];
  const finish = (text) => (/[?!.？！。]$/u.test(text) ? text : text + endMark(text, grammar.language));
  const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const question = upper(expand(next, grammar, pick(next, patterns)));
  const sequel = expand(next, grammar, pick(next, sequels));
  if (!farFromTest(question) || !farFromTest(sequel)) return undefined;
  const [answer, second] = shuffle(next, [...replies]);
  const turns = chance(next, 0.4) ? [agent + pick(next, talk.greeting)] : [];
  turns.push(customer + finish(question), agent + answer);
  if (chance(next, 0.6)) turns.push(customer + finish(sequel), agent + second);
  if (chance(next, 0.5)) turns.push(customer + pick(next, talk.thanks), agent + pick(next, talk.goodbye));
  return turns.join(space || ' ');
}

function makeCorpus(next, language) {
  const documents = new Set();
  const titles = parseTopics(read('corpus/source/bank.en.txt'), 'en').topics.map((topic) => topic.title);
  for (const name of ['bank', 'life', 'health']) {
    const grammar = parseTopics(read(`corpus/source/${name}.${language}.txt`), language);
    for (const [index, topic] of grammar.topics.entries()) {
      // The first twelve banking topics are the same, in the same order, in both languages.
      const english = name === 'bank' && index < 12 ? titles[index] : undefined;
      const wanted = documents.size + TOPIC_DOCUMENTS[language];
      while (documents.size < wanted) documents.add(topicDocument(next, grammar, topic, english));
    }
  }
  const held = read('bank-support/test.jsonl')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter((row) => row.language === language)
    .map((row) => row.messages[0].content);
  const farFromTest = (text) => held.every((other) => similarity(text, other, language) <= MAX_LIKENESS_TO_TEST);
  const bank = parseGrammar(read(`bank-support/grammar.${language}.txt`), language);
  const intents = [...bank.intents.values()];
  for (let i = 0, wanted = documents.size + DIALOGUES; documents.size < wanted; i++) {
    const text = dialogue(next, bank, intents[i % intents.length], farFromTest);
    if (text !== undefined) documents.add(text);
  }
  const wanted = documents.size + NUMBER_DOCUMENTS;
  while (documents.size < wanted) documents.add(numbersDocument(next, language));
  return shuffle(next, [...documents]);
}

const outFlag = process.argv.indexOf('--out');
const out = outFlag < 0 ? join(here, 'corpus') : process.argv[outFlag + 1];
mkdirSync(out, { recursive: true });
for (const [index, language] of ['en', 'zh'].entries()) {
  const documents = makeCorpus(random(SEED + index), language);
  writeFileSync(join(out, `${language}.txt`), documents.map((text) => `${text}\n`).join(''));
  process.stdout.write(`${language}.txt: ${documents.length} documents\n`);
}
