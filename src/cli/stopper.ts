import type { StopSignal } from './exit-codes.ts';

/**
 * Turns signals into a request to stop. The first one asks: the command checkpoints and throws `interrupted`.
 * The second one kills, by signal: process.exit would wait for a worker that is inside native code.
 */
export class Stopper {
  /** Int32[1]; see `Job.stop`. */
  readonly flag = new SharedArrayBuffer(4);
  private signal: StopSignal | undefined;
  private readonly listeners: ((signal: StopSignal) => void)[] = [];
  private readonly kill: (signal: NodeJS.Signals) => void;

  constructor(kill: (signal: NodeJS.Signals) => void = killSelf) {
    this.kill = kill;
  }

  get requested(): StopSignal | undefined {
    return this.signal;
  }

  onStop(listener: (signal: StopSignal) => void): void {
    this.listeners.push(listener);
    if (this.signal !== undefined) listener(this.signal);
  }

  stop(signal: StopSignal): void {
    if (this.signal !== undefined) {
      if (signal !== 'SIGPIPE') this.kill(signal);
      return;
    }
    this.signal = signal;
    Atomics.store(new Int32Array(this.flag), 0, 1);
    for (const listener of this.listeners) listener(signal);
  }

  listen(): void {
    process.on('SIGINT', this.handle);
    process.on('SIGTERM', this.handle);
  }

  unlisten(): void {
    process.off('SIGINT', this.handle);
    process.off('SIGTERM', this.handle);
  }

  private readonly handle = (signal: NodeJS.Signals): void => this.stop(signal as StopSignal);
}

/** Without a listener the signal does what it does to any program, whatever the threads are busy with. */
function killSelf(signal: NodeJS.Signals): void {
  if (process.stderr.isTTY) process.stderr.write('\u001B[?25h');
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
