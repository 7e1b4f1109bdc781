import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readJsonObject } from '../../src/io/json-file.ts';
import { openSafetensors } from '../../src/io/safetensors.ts';
import { Random } from '../../src/core/random.ts';
import { runNode } from '../cli/spawn.ts';
import type { Ran } from '../cli/spawn.ts';
import { engines } from '../support/engines.ts';

const SCRIPT = 'test/train/fixtures/train.mjs';
const KILLS = 6;

function done(ran: Ran): unknown {
  const line = /^done (.*)$/m.exec(ran.stdout)?.[1];
  expect(line, `${ran.code} ${ran.stderr}`).toBeDefined();
  return JSON.parse(line!);
}

/** Every folder that bears a checkpoint's name is a whole one; more than the limit, the best and one just written there never are. */
function expectWhole(folder: string): void {
  // A kill may come before the first one.
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('step-')) : [];
  expect(names.length).toBeLessThanOrEqual(4);
  for (const name of names) {
    expect(readJsonObject(join(folder, name, 'trainer.json'))['step']).toBe(Number(name.slice(5)));
    const file = openSafetensors(join(folder, name, 'state.safetensors'));
    for (const tensor of file.tensors.keys()) file.readF32(tensor);
    file.close();
  }
}

describe.each(engines)('a run on the %s engine that is killed again and again', (engine) => {
  it('comes to the bytes of the run that was not, wherever it is killed', { timeout: 240_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'llmkit-killed-'));
    try {
      const whole = done(await runNode(SCRIPT, [join(folder, 'whole'), engine]));
      const work = join(folder, 'work');
      const checkpoints = join(work, 'checkpoints');
      const random = new Random(Date.now());
      const moments: string[] = [];
      for (let kill = 0; kill < KILLS; kill++) {
        // So many steps after it began, and so long after that: in a step, a save, a rotation or a validation.
        const [steps, delayMs] = [1 + random.int(10), random.float() * 15];
        moments.push(`${steps} steps + ${delayMs.toFixed(1)} ms`);
        let said = 0;
        const ran = await runNode(SCRIPT, [work, engine, kill === 0 ? 'begin' : 'resume'], (child) => {
          child.stdout!.on('data', (text: string) => {
            const before = said;
            said += text.split('step ').length - 1;
            if (before < steps && said >= steps) setTimeout(() => child.kill('SIGKILL'), delayMs);
          });
        });
        expect(ran.signal, `${moments.join('; ')}: ${ran.stderr}`).toBe('SIGKILL');
        expectWhole(checkpoints);
      }
      const last = await runNode(SCRIPT, [work, engine, 'resume']);
      expect(done(last), `killed after ${moments.join('; ')}`).toEqual(whole);
      expect(readdirSync(checkpoints).filter((name) => !name.startsWith('step-'))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
