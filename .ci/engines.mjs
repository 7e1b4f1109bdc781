// Fails when a suite that runs on wasm did not run in full on the native engine too although `llmkit setup` made one.
// Some tests are of the native engine only (bf16) and say so by being skipped on wasm.
import { readFileSync } from 'node:fs';

const print = (line) => process.stdout.write(`${line}\n`);

const { native, suites } = JSON.parse(readFileSync('test-results/engines.json', 'utf8'));
const expected = native === null ? ['wasm'] : ['native', 'wasm'];
print(`engines that must have run: ${expected.join(', ')} (${native ?? 'setup made no native engine'})`);

const problems = [];
for (const [file, counts] of Object.entries(suites)) {
  for (const engine of counts.wasm === undefined ? [] : expected) {
    const { passed, failed, skipped } = counts[engine] ?? { passed: 0, failed: 0, skipped: 0 };
    print(`  ${file}  ${engine}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
    const missing = engine === 'native' && skipped > 0;
    if (passed === 0 || failed > 0 || missing) problems.push(`${file} on ${engine}`);
  }
}
for (const engine of expected) {
  if (!Object.values(suites).some((counts) => counts[engine]?.passed > 0)) problems.push(`no suite ran on ${engine}`);
}
for (const problem of problems) print(`not run in full: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
