// Makes the benches' corpora from clones of public repositories: english.jsonl and chinese.jsonl, one {"text"} a line,
// every file once. usage: node bench/corpora.mjs CLONES OUT, CLONES holding owner+name/repo (git folders)
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

/** What each corpus is made of. A file counts when `path` matches; of one repository's versions only one is taken. */
const CORPORA = {
  english: [
    { repository: 'python/peps', commit: 'ba4deeb7969588d937da609008d05bb83a47b1ab', path: /\.(rst|txt|md)$/ },
    { repository: 'rust-lang/rfcs', commit: '354518a8c9025f40be6f730452c1bfe71a12dc22', path: /\.md$/ },
    {
      repository: 'cockroachdb/docs',
      commit: '79e9a5d03f4b01203131e71af49a6f2eaae9ff63',
      path: /^src\/current\/(v26\.3|cockroachcloud|molt|releases|advisories)\/.*\.md$/,
    },
  ],
  chinese: [
    { repository: 'pingcap/docs-cn', commit: 'ae9ab0fd89873986fabc4c8873d77d46ba76f066', path: /\.md$/ },
    {
      repository: 'xitu/gold-miner',
      commit: 'db4f91ae0df1f31d3b02dbf21b4137bfb9fda374',
      path: /[02468]\.md$|[a-f]\.md$/,
    },
    {
      repository: 'chinese-poetry/chinese-poetry',
      commit: '99ebbef7e1345c0985c44b9fd96a3f9e776f117b',
      path: /^全唐诗\/poet\.(tang|song)\.\d*[05]000\.json$/,
    },
  ],
};

const [clones, out] = process.argv.slice(2);
if (out === undefined) throw new Error('usage: node bench/corpora.mjs CLONES OUT');
mkdirSync(out, { recursive: true });
const summary = {};
for (const [name, parts] of Object.entries(CORPORA)) {
  const lines = [];
  const seen = new Set();
  const sources = [];
  for (const part of parts) {
    const texts = textsOf(part).filter((text) => text.trim() !== '' && !seen.has(text) && seen.add(text));
    sources.push({ ...part, path: String(part.path), documents: texts.length, bytes: size(texts) });
    for (const text of texts) lines.push(JSON.stringify({ text }));
  }
  const body = `${lines.join('\n')}\n`;
  const sha256 = createHash('sha256').update(body).digest('hex');
  writeFileSync(join(out, `${name}.jsonl`), body);
  summary[name] = {
    documents: lines.length,
    textBytes: sources.reduce((sum, { bytes }) => sum + bytes, 0),
    sha256,
    sources,
  };
}
const record = new URL('corpora.json', import.meta.url);
const text = `${JSON.stringify(summary, null, 2)}\n`;
console.log(text);
if (!existsSync(record)) writeFileSync(record, text);
else if (!isDeepStrictEqual(JSON.parse(readFileSync(record, 'utf8')), summary)) {
  throw new Error('the corpora differ from those that bench/corpora.json describes');
}

/** The texts of one repository at its commit; of a JSON file of poems each poem is one. */
function textsOf({ repository, commit, path }) {
  const folder = join(clones, repository.replace('/', '+'), 'repo');
  const git = (args, input) =>
    execFileSync(
      'git',
      [
        '--git-dir',
        existsSync(join(folder, '.git')) ? join(folder, '.git') : folder,
        '-c',
        'core.quotepath=off',
        ...args,
      ],
      { input, maxBuffer: 2 ** 30 },
    );
  const files = git(['ls-tree', '-r', '-z', '--name-only', commit])
    .toString()
    .split('\0')
    .filter((file) => path.test(file));
  const batch = git(['cat-file', '--batch'], files.map((file) => `${commit}:${file}\n`).join(''));
  const texts = [];
  for (let at = 0, i = 0; at < batch.length; i++) {
    const header = batch.subarray(at, batch.indexOf(10, at)).toString();
    const length = Number(header.split(' ')[2]);
    at += Buffer.byteLength(header) + 1;
    const body = batch.subarray(at, at + length).toString();
    at += length + 1;
    if (files[i].endsWith('.json'))
      texts.push(...JSON.parse(body).map((poem) => [poem.title, ...poem.paragraphs].join('\n')));
    else texts.push(body);
  }
  return texts;
}

function size(texts) {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
