// Writes the text corpus (corpus/en.txt, corpus/zh.txt; one document a line) from the sentences in corpus/source,
// the grammars of bank-support and sums. Run: node datasets/make_corpus.mjs [--out <dir>]. Same bytes every time.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chance, endMark, expand, parseGrammar, parseTopics, pick, random, shuffle, similarity } from './grammar.mjs';
import { numbersDocument } from './numbers.mjs';

const SEED = 20240608;
const TOPIC_DOCUMENTS = { en: 5, zh: 6 };
const DIALOGUES = 300;
const TICKETS = 1200;
const NUMBER_DOCUMENTS = 240;
// A customer's words in a dialogue stay at least this far from every question of the bank-support test split.
const MAX_LIKENESS_TO_TEST = 0.35;

const here = dirname(fileURLToPath(import.meta.url));
const read = (path) => readFileSync(join(here, path), 'utf8');

const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const TALK = {
  en: {
    join: ' ',
    customer: 'Customer: ',
    agent: 'Agent: ',
    filed: ['Topic: ', 'Filed under: ', 'Subject: '],
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
    filed: ['主题：', '归类：', '事项：'],
    greeting: ['您好，请问有什么可以帮您？', '早上好，很高兴为您服务。', '您好，请讲。'],
    thanks: ['好的，谢谢。', '明白了，多谢。', '知道了，我试试。', '谢谢您，帮大忙了。'],
    goodbye: ['不客气，祝您愉快！', '不用谢，再见。', '还有别的问题吗？没有的话，祝您一切顺利。'],
  },
};

/** The opening sentence of a topic and about half of the others, in their order; mostly under its title or its tag. */
function topicDocument(next, grammar, { title, tag, sentences }) {
  const [first, ...others] = sentences;
  const count = Math.min(others.length, 3 + Math.floor(next() * 3));
  const kept = new Set(shuffle(next, [...others.keys()]).slice(0, count));
  const bound = new Map();
  const text = [first, ...others.filter((_, index) => kept.has(index))]
    .map((sentence) => upper(expand(next, grammar, sentence, bound)))
    .join(TALK[grammar.language].join);
  const form = next();
  if (form < 0.3) return text;
  // The tag is English in both languages, as in a bank's own system.
  if (form < 0.65) return `[${tag}] ${text}`;
  return grammar.language === 'zh' ? `${title}：${text}` : `${upper(title)}. ${text}`;
}

/** What a customer writes first and second, or undefined if either is too near a held-out question. */
function request(next, grammar, { patterns, sequels }, farFromTest) {
  const texts = [pick(next, patterns), pick(next, sequels)].map((pattern) => upper(expand(next, grammar, pattern)));
  if (!texts.every(farFromTest)) return undefined;
  return texts.map((text) => (/[?!.？！。]$/u.test(text) ? text : text + endMark(text, grammar.language)));
}

/** A customer and an agent on one matter: one exchange, often a second one, often a goodbye. */
function dialogue(next, { language }, { replies }, [question, sequel]) {
  const { customer, agent, ...talk } = TALK[language];
  const [answer, second] = shuffle(next, [...replies]);
  const turns = chance(next, 0.4) ? [agent + pick(next, talk.greeting)] : [];
  turns.push(customer + question, agent + answer);
  if (chance(next, 0.6)) turns.push(customer + sequel, agent + second);
  if (chance(next, 0.5)) turns.push(customer + pick(next, talk.thanks), agent + pick(next, talk.goodbye));
  return turns.join(' ');
}

/** A line from the help desk's book: what was asked and the topic it was filed under. */
function ticket(next, { language }, intent, [question, sequel]) {
  const { join: space, filed } = TALK[language];
  const text = chance(next, 0.6) ? question + space + sequel : question;
  return `${text} ${pick(next, filed)}${intent.replaceAll('_', ' ')}${language === 'zh' ? '。' : '.'}`;
}

function makeCorpus(next, language) {
  const documents = new Set();
  for (const name of ['bank', 'life', 'health']) {
    const grammar = parseTopics(read(`corpus/source/${name}.${language}.txt`), language);
    for (const topic of grammar.topics) {
      const wanted = documents.size + TOPIC_DOCUMENTS[language];
      while (documents.size < wanted) documents.add(topicDocument(next, grammar, topic));
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
  const intents = [...bank.intents];
  for (const [make, count] of [
    [(intent, entry, asked) => dialogue(next, bank, entry, asked), DIALOGUES],
    [(intent, entry, asked) => ticket(next, bank, intent, asked), TICKETS],
  ]) {
    for (let i = 0, wanted = documents.size + count; documents.size < wanted; i++) {
      const [intent, entry] = intents[i % intents.length];
      const asked = request(next, bank, entry, farFromTest);
      if (asked) documents.add(make(intent, entry, asked));
    }
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
