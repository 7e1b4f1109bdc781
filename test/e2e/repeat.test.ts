import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TIMEOUT_MS, Workspace } from './workspace.ts';

const ADAPTER = ['out', 'adapter', 'adapter_model.safetensors'] as const;
/** Enough steps for a kill to land between two checkpoints, whatever else the machine does. */
const LONG = ['--lora', '--set', 'finetune.max_steps=120', '--set', 'finetune.save_steps=10'] as const;

/** Kills the process outright once it has said that it wrote its second checkpoint. */
function killAfterTwoCheckpoints(child: ChildProcess): void {
  let said = '';
  child.stdout?.on('data', (text: string) => {
    said += text;
    if (said.split('"kind":"checkpoint"').length > 2) child.kill('SIGKILL');
  });
}

describe('repeated and interrupted runs', { timeout: TIMEOUT_MS }, () => {
  let work: Workspace;
  let uninterrupted: string;
  beforeAll(async () => {
    work = new Workspace();
    await work.result('prepare');
    await work.result('pretrain');
    await work.result('finetune', ...LONG);
    uninterrupted = work.sha256(...ADAPTER);
  });
  afterAll(() => work.remove());

  it('prepares, pretrains and finetunes to the same bytes from the same seed, and to others from another', async () => {
    const again = new Workspace();
    try {
      await again.result('prepare');
      await again.result('pretrain');
      const arrow = readdirSync(work.path('out', 'prepared', 'train')).find((name) => name.endsWith('.arrow'))!;
      const files = [
        ['out', 'prepared', 'train', arrow],
        ['out', 'prepared', 'tokenizer', 'tokenizer.json'],
        ['out', 'pretrained', 'model.safetensors'],
      ];
      for (const file of files) expect(again.sha256(...file), file.join('/')).toBe(work.sha256(...file));
      await again.result('finetune', ...LONG);
      expect(again.sha256(...ADAPTER)).toBe(uninterrupted);
      await again.result('finetune', '--lora', '--set', 'seed=8');
      const other = again.sha256(...ADAPTER);
      await again.result('finetune', '--lora');
      expect(again.sha256(...ADAPTER)).not.toBe(other);
    } finally {
      again.remove();
    }
  });

  it('goes on after kill -9 with --resume, to the bytes of the run that was not killed', async () => {
    const killed = await work.spawn(['finetune', ...LONG, '--output', 'jsonl'], killAfterTwoCheckpoints);
    expect(killed.signal).toBe('SIGKILL');
    // The adapter of the run before is still whole.
    expect(work.sha256(...ADAPTER)).toBe(uninterrupted);
    const resumed = await work.run('finetune', ...LONG, '--resume');
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toMatch(/resuming after step \d+/);
    expect(work.sha256(...ADAPTER)).toBe(uninterrupted);
  });

  it('checkpoints on SIGTERM, exits with 143 and resumes to the same bytes', async () => {
    const stopped = await work.spawn(['finetune', ...LONG, '--output', 'jsonl'], (child) => {
      let said = '';
      child.stdout?.on('data', (text: string) => {
        const before = said.includes('"type":"step"');
        said += text;
        if (!before && said.includes('"type":"step"')) child.kill('SIGTERM');
      });
    });
    expect(stopped.code).toBe(143);
    expect(existsSync(work.path('out', 'checkpoints', 'finetune'))).toBe(true);
    await work.result('finetune', ...LONG, '--resume');
    expect(work.sha256(...ADAPTER)).toBe(uninterrupted);
  });
});
