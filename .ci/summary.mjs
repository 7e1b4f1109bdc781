// Prints `N passed, N failed` from vitest's report. A file that failed outside of its tests counts as one failure.
import { existsSync, readFileSync } from 'node:fs';

const print = (line) => process.stdout.write(`${line}\n`);

if (!existsSync('test-results/vitest.json')) {
  print('0 passed, 1 failed');
  process.exit(1);
}
const report = JSON.parse(readFileSync('test-results/vitest.json', 'utf8'));
const broken = report.testResults.filter(
  ({ status, assertionResults }) =>
    status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
);
for (const { name, message } of broken) print(`could not run: ${name}\n${message}`);
const failed = report.numFailedTests + broken.length;
const skipped = report.numPendingTests + report.numTodoTests;
const line = `${report.numPassedTests} passed, ${failed} failed`;
print(skipped > 0 ? `${line}, ${skipped} skipped` : line);
process.exitCode = failed > 0 || !report.success ? 1 : 0;
