import type { GateCheck } from '../gate.ts';
import type { TaskResult } from '../metrics.ts';

/**
 * JUnit XML, for CI systems: a test case for every gate check, or, for tasks that no gate looks at, one that passes and
 * says what was measured.
 */
export function junitXml(model: string, results: readonly TaskResult[], checks: readonly GateCheck[]): string {
  const suites = results.map(({ task, metrics }) => {
    const own = checks.filter((check) => check.task === task);
    const measured = metrics.map(({ name, value }) => `${name} ${value}`).join('\n');
    const cases =
      own.length === 0
        ? [testCase(task, 'measured', undefined)]
        : own.map((check) => testCase(task, `${check.metric} ${check.bound}`, check));
    return suite(`${model} ${task}`, cases, own, measured);
  });
  const orphans = checks.filter(({ task }) => !results.some((result) => result.task === task));
  if (orphans.length > 0) {
    const cases = orphans.map((check) => testCase('gates', `${check.gate} ${check.bound}`, check));
    suites.push(suite(`${model} gates`, cases, orphans, ''));
  }
  const failures = checks.filter(({ pass }) => !pass).length;
  const tests = suites.reduce((sum, { tests }) => sum + tests, 0);
  const body = suites.map(({ xml }) => xml).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="llmkit eval" tests="${tests}" failures="${failures}">\n${body}</testsuites>\n`;
}

function suite(
  name: string,
  cases: string[],
  checks: readonly GateCheck[],
  output: string,
): { xml: string; tests: number } {
  const failures = checks.filter(({ pass }) => !pass).length;
  const out = output === '' ? '' : `    <system-out>${escapeXml(output)}</system-out>\n`;
  const xml = `  <testsuite name="${escapeXml(name)}" tests="${cases.length}" failures="${failures}" errors="0">\n${cases.join('')}${out}  </testsuite>\n`;
  return { xml, tests: cases.length };
}

function testCase(className: string, name: string, check: GateCheck | undefined): string {
  const open = `    <testcase classname="llmkit.${escapeXml(className)}" name="${escapeXml(name)}"`;
  if (check === undefined) return `${open}/>\n`;
  if (check.pass) return `${open}>\n      <system-out>${escapeXml(check.message)}</system-out>\n    </testcase>\n`;
  return `${open}>\n      <failure type="${check.bound}" message="${escapeXml(check.message)}"/>\n    </testcase>\n`;
}

/** Text as XML 1.0 may hold it: the five special characters escaped, forbidden ones replaced. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\u{fffd}')
    .replace(/[&<>"']/g, (character) => entities[character]!)
    .replace(/[\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
