import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gitRevision, provenance } from '../../src/io/provenance.ts';

const COMMIT = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);

describe('provenance', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'llmkit-provenance-'));
    // So that a repository around the temporary folder is not found.
    mkdirSync(join(dir, 'outer', '.git', 'refs', 'heads'), { recursive: true });
    writeFileSync(join(dir, 'outer', '.git', 'HEAD'), 'ref: refs/heads/main\n');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const git = (...path: string[]) => join(dir, 'outer', '.git', ...path);

  it('names llmkit, Node and the libraries that shape results', () => {
    const { versions } = provenance(dir);
    expect(versions).toMatchObject({ node: process.versions.node, llmkit: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect(versions['onnxruntime-node']).toMatch(/^\d/);
  });

  it('finds the commit of a branch from a folder inside the repository', () => {
    writeFileSync(git('refs', 'heads', 'main'), `${COMMIT}\n`);
    mkdirSync(join(dir, 'outer', 'a', 'b'), { recursive: true });
    expect(gitRevision(join(dir, 'outer', 'a', 'b'))).toBe(COMMIT);
    expect(provenance(join(dir, 'outer')).git).toBe(COMMIT);
  });

  it('finds a commit in packed refs, and not that of a branch whose name ends alike', () => {
    writeFileSync(
      git('packed-refs'),
      `# pack-refs with: peeled\n${OTHER} refs/heads/x/main\n${COMMIT} refs/heads/main\n`,
    );
    expect(gitRevision(join(dir, 'outer'))).toBe(COMMIT);
  });

  it('takes a detached head as it is, and a branch without commits as nothing', () => {
    expect(gitRevision(join(dir, 'outer'))).toBeUndefined();
    writeFileSync(git('HEAD'), `${OTHER}\n`);
    expect(gitRevision(join(dir, 'outer'))).toBe(OTHER);
  });

  it("finds a worktree's own head and the refs it shares", () => {
    mkdirSync(git('worktrees', 'w'), { recursive: true });
    writeFileSync(git('worktrees', 'w', 'HEAD'), 'ref: refs/heads/side\n');
    writeFileSync(git('worktrees', 'w', 'commondir'), '../..\n');
    writeFileSync(git('refs', 'heads', 'side'), `${OTHER}\n`);
    mkdirSync(join(dir, 'tree'));
    writeFileSync(join(dir, 'tree', '.git'), `gitdir: ${git('worktrees', 'w')}\n`);
    expect(gitRevision(join(dir, 'tree'))).toBe(OTHER);
  });
});
