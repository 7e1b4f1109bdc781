import { exitCodes, signalExitCodes } from './exit-codes.ts';

let onGone: () => void = () => {
  process.exitCode = signalExitCodes.SIGPIPE;
};

/**
 * Listens for what happens to standard output and error: when the reader went away (`| head`) the run stops
 * without a word, and when the disk behind them is full it says so.
 */
export function guardStreams(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && stream === process.stdout) {
        process.stderr.write(`error: standard output cannot be written: ${error.message}\n`);
        process.exitCode = exitCodes.io;
      }
      onGone();
    });
  }
}

/** What to do when nobody reads any more. */
export function whenOutputIsGone(stop: () => void): void {
  onGone = stop;
}
