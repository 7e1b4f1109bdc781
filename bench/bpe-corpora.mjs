// Makes the corpora of bench/bpe-training.mjs from clones of public repositories: english.jsonl, chinese.jsonl and
// mixed.jsonl, about 100 MB of text each, one {"text"} a line, every text once. usage:
//   node bench/bpe-corpora.mjs CLONES OUT      CLONES holds owner+name/repo, git folders without a work tree
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const REPOSITORIES = {
  peps: ['python/peps', 'ba4deeb7969588d937da609008d05bb83a47b1ab', /\.(rst|txt|md)$/],
  rfcs: ['rust-lang/rfcs', '354518a8c9025f40be6f730452c1bfe71a12dc22', /\.md$/],
  cockroach: [
    'cockroachdb/docs',
    '79e9a5d03f4b01203131e71af49a6f2eaae9ff63',
    /^src\/current\/(v26\.3|cockroachcloud|molt|releases|advisories)\/.*\.md$/,
  ],
  enhancements: ['kubernetes/enhancements', '64765b4b02389318f2113119dd9e491479f978a0', /\.md$/],
  cpp: ['MicrosoftDocs/cpp-docs', 'a2e592a8fc391b6aff8d1323f5b58696abdc5d57', /\.md$/],
  sources: ['LCTT/TranslateProject', '4948360714403ebcefc3abff80dcc69ad706bf5d', /^sources\/.*\.md$/],
  tidb: ['pingcap/docs-cn', 'ae9ab0fd89873986fabc4c8873d77d46ba76f066', /\.md$/],
  goldMiner: ['xitu/gold-miner', 'db4f91ae0df1f31d3b02dbf21b4137bfb9fda374', /\.md$/],
  published: ['LCTT/TranslateProject', '4948360714403ebcefc3abff80dcc69ad706bf5d', /^published\/.*\.md$/],
};
const CORPORA = {
  english: ['peps', 'rfcs', 'cockroach', 'enhancements', 'cpp', 'sources'],
  chinese: ['tidb', 'goldMiner', 'published'],
  mixed: ['peps', 'rfcs', 'cockroach', 'enhancements', 'tidb', 'goldMiner'],
};

const [clones, out] = process.argv.slice(2);
if (out === undefined) throw new Error('usage: node bench/bpe-corpora.mjs CLONES OUT');
mkdirSync(out, { recursive: true });
const read = new Map(Object.entries(REPOSITORIES).map(([name, repository]) => [name, textsOf(...repository)]));
for (const [name, parts] of Object.entries(CORPORA)) {
  const texts = [...new Set(parts.flatMap((part) => read.get(part)))];
  const body = texts.map((text) => `${JSON.stringify({ text })}\n`).join('');
  writeFileSync(join(out, `${name}.jsonl`), body);
  const megabytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
  const sha256 = createHash('sha256').update(body).digest('hex');
  console.log(`${name}: ${texts.length} texts, ${megabytes.toFixed(1)} MB, sha256 ${sha256}`);
}

function textsOf(repository, commit, path) {
  const folder = join(clones, repository.replace('/', '+'), 'repo');
  const git = (args, input) =>
    execFileSync('git', ['--git-dir', folder, '-c', 'core.quotepath=off', ...args], { input, maxBuffer: 2 ** 30 });
  const files = git(['ls-tree', '-r', '-z', '--name-only', commit]).toString().split('\0');
  const wanted = files.filter((file) => path.test(file) && !file.includes('\n'));
  const batch = git(['cat-file', '--batch'], wanted.map((file) => `${commit}:${file}\n`).join(''));
  const texts = [];
  for (let at = 0; at < batch.length;) {
    const end = batch.indexOf(10, at);
    const length = Number(batch.toString('utf8', at, end).split(' ')[2]);
    texts.push(batch.toString('utf8', end + 1, end + 1 + length));
    at = end + length + 2;
  }
  return texts.filter((text) => text.trim() !== '');
}
