import { describe, expect, it } from 'vitest';
import { htmlToText, looksLikeHtml } from '../../src/data/clean/html.ts';

const PAGE = `<!doctype html><html><head><title>T</title><style>p { color: red }</style>
<script>var x = "<p>not text</p>";</script></head><body>
<nav><a href="/">Home</a> <a href="/about">About</a></nav>
<h1>Opening &amp; closing</h1>
<p>A first <b>paragraph</b>
 with a <a href="http://example.com/x">link</a>.<br>Second line.</p>
<p>Next&nbsp;one, &lt;tag&gt; 中文</p>
<ul><li>One</li><li>Two<ul><li>inner</li></ul></li></ul>
<ol><li>first<li>second</ol>
<table><caption>Ages</caption><tr><th>Name</th><th>Age</th></tr><tr><td>Ann</td><td><p>30</p></td></tr><tr><td>李雷</td><td>5</td></tr></table>
<pre>code
  indented</pre>
<img src="x.png" alt="picture"><button>Go</button><noscript>Enable scripts</noscript><template>none</template>
</body></html>`;

describe('HTML as text', () => {
  it('keeps paragraphs, lists, tables, preformatted text and the text of links; scripts, styles and navigation go', () => {
    expect(htmlToText(PAGE)).toBe(
      [
        'Opening & closing',
        '',
        'A first paragraph with a link.',
        'Second line.',
        '',
        'Next\u00a0one, <tag> 中文',
        '',
        '- One',
        '- Two',
        '  - inner',
        '',
        ' 1. first',
        ' 2. second',
        '',
        'Ages',
        'Name | Age',
        'Ann | 30',
        '李雷 | 5',
        '',
        'code',
        '  indented',
      ].join('\n'),
    );
  });

  it('keeps the line breaks of plain text with a little markup in it', () => {
    expect(htmlToText('line one\nline <b>two</b><br>three')).toBe('line one\nline two\nthree');
  });

  it('resolves character references and leaves the rest of plain text alone', () => {
    expect(htmlToText('Tom &amp; Jerry\n  1 < 3 &#65;&eacute;')).toBe('Tom & Jerry\n  1 < 3 Aé');
  });

  it.each(['a < b and b > c', 'List<String> x', 'R&D; Q & A', '<3 hearts', 'x <- y', '中文<<书名>>'])(
    'does not take %s for HTML',
    (text) => {
      expect(looksLikeHtml(text)).toBe(false);
    },
  );

  it.each(['<p>x', 'a<br/>b', '&amp;', '&#20013;', '</div>', '<!-- c -->', '<!DOCTYPE html>'])(
    'takes %s for HTML',
    (text) => {
      expect(looksLikeHtml(text)).toBe(true);
    },
  );

  it('keeps all text of markup nested absurdly deep', () => {
    const text = htmlToText(`${'<div>'.repeat(5000)}deep${'</div>'.repeat(5000)}<p>after</p>`);
    expect(text.split(/\s+/)).toEqual(['deep', 'after']);
  });

  it('is not confused by tags in scripts and comments', () => {
    const text = htmlToText(
      `<p>a</p><script>${'"<div>";'.repeat(500)}</script><!-- ${'<div>'.repeat(500)} --><ul><li>b</ul>`,
    );
    expect(text).toBe('a\n\n- b');
  });

  it.each([
    ['open tags', '<div>'.repeat(200_000)],
    ['inline tags', `${'<b>'.repeat(300_000)}x`],
    ['nested tables', '<table><tr><td>y'.repeat(60_000)],
    ['a long table', `<table>${'<tr><td>a<td>b</tr>'.repeat(50_000)}</table>`],
    ['angle brackets', '<'.repeat(1_000_000)],
    ['unclosed tags', '<a '.repeat(300_000)],
    ['unclosed comments', '<!--'.repeat(250_000)],
    ['open scripts', '<script>'.repeat(125_000)],
    ['references', '&amp'.repeat(250_000)],
    ['paragraphs', '<p>a '.repeat(200_000)],
  ])('%s, 1 MB, in bounded time', { timeout: 30_000 }, (_, html) => {
    const start = performance.now();
    if (looksLikeHtml(html)) htmlToText(html);
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('does not cut a document of 18 MB', { timeout: 60_000 }, () => {
    const html = `<body><pre>${'0123456789abcde\n'.repeat(1_125_000)}</pre><p>end</p></body>`;
    const text = htmlToText(html);
    expect(text.length).toBeGreaterThan(18_000_000);
    expect(text.endsWith('end')).toBe(true);
  });
});
