import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';
import { findNative } from '../../src/engine/tf/cache.ts';

const REPORT = 'test-results/engines.json';

/** How many tests of one suite ran on one engine. */
export interface EngineCounts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What `.ci/run` reads: whether there was a native engine, and the counts of every suite that names an engine. */
export interface EngineReport {
  native: string | null;
  suites: { [file: string]: { native?: EngineCounts; wasm?: EngineCounts } };
}

/**
 * Says after a run which engine each suite ran on. A test belongs to an engine when its title or that of a group
 * around it ends in "native engine" or "wasm engine".
 */
export default class EngineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const install = findNative();
    const native =
      install === undefined ? null : `TensorFlow ${install.record.tensorflow} (native, ${install.record.variant})`;
    const report: EngineReport = { native, suites: {} };
    for (const module of modules) {
      const counts = countByEngine(module);
      if (counts.native !== undefined || counts.wasm !== undefined) report.suites[module.relativeModuleId] = counts;
    }
    mkdirSync(dirname(REPORT), { recursive: true });
    writeFileSync(REPORT, `${JSON.stringify(report, null, 2)}\n`);
    if (Object.keys(report.suites).length > 0) process.stdout.write(`${describe(report).join('\n')}\n\n`);
  }
}

function countByEngine(module: TestModule): EngineReport['suites'][string] {
  const counts: EngineReport['suites'][string] = {};
  for (const test of module.children.allTests()) {
    const engine = /\b(native|wasm) engine\b/.exec(test.fullName)?.[1] as 'native' | 'wasm' | undefined;
    if (engine === undefined) continue;
    const of = (counts[engine] ??= { passed: 0, failed: 0, skipped: 0 });
    const { state } = test.result();
    of[state === 'pending' ? 'skipped' : state] += 1;
  }
  return counts;
}

function describe({ native, suites }: EngineReport): string[] {
  const lines = [`Engines: ${native ?? 'no native one is set up (llmkit setup)'}; wasm`];
  const width = Math.max(...Object.keys(suites).map((file) => file.length));
  for (const [file, counts] of Object.entries(suites)) {
    const parts = (['native', 'wasm'] as const).map((engine) => {
      const of = counts[engine];
      if (of === undefined) return `${engine}: none`;
      const rest = [of.failed > 0 ? `, ${of.failed} failed` : '', of.skipped > 0 ? `, ${of.skipped} skipped` : ''].join(
        '',
      );
      return `${engine}: ${of.passed} passed${rest}`;
    });
    lines.push(`  ${file.padEnd(width)}  ${parts.join('; ')}`);
  }
  return lines;
}
