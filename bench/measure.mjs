// A command run to its end: seconds of wall clock, and the most memory that it and its children held at one time.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

const LOOK_EVERY_MS = 100;

/** Runs a command; its standard output is returned, its errors end the bench. Memory is read from /proc (Linux). */
export function measure(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let [output, errors, peakBytes] = ['', '', 0];
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
    const timer = setInterval(() => (peakBytes = Math.max(peakBytes, treeBytes(child.pid))), LOOK_EVERY_MS);
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      const seconds = (performance.now() - start) / 1000;
      if (code === 0) resolve({ seconds, peakBytes, output });
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}:\n${errors.slice(-2000)}`));
    });
  });
}

/** Resident bytes of a process and its descendants; pages that they share count once a process. */
function treeBytes(pid) {
  const parents = new Map();
  const resident = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const status = read(`/proc/${name}/status`);
    parents.set(Number(name), Number(/^PPid:\s*(\d+)/m.exec(status)?.[1] ?? 0));
    resident.set(Number(name), Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) * 1024);
  }
  const within = (id) => id === pid || (parents.has(id) && parents.get(id) > 1 && within(parents.get(id)));
  return [...resident].filter(([id]) => within(id)).reduce((sum, [, bytes]) => sum + bytes, 0);
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has ended since it was listed.
    return '';
  }
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
