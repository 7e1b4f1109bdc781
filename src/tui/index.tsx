import { render } from 'ink';
import type { LlmkitEvent } from '../core/events.ts';
import { App } from './app.tsx';
import { DisplayState } from './state.ts';

/** Redraws a second; ink itself draws at most 30. */
const frameMs = 120;

export interface DisplayOptions {
  /** Where it draws: standard error, so that results can be piped. */
  stream: NodeJS.WriteStream;
  color: boolean;
  verbose: boolean;
  now: () => number;
}

export interface Display {
  event(event: LlmkitEvent): void;
  /** Draws what is finished one last time and lets go of the terminal. */
  stop(): Promise<void>;
}

/** Mounts the live display. It reads no keys: Ctrl-C stays a signal. */
export function startDisplay({ stream, color, verbose, now }: DisplayOptions): Display {
  const state = new DisplayState(verbose);
  const app = () => <App state={state} nowMs={now()} columns={stream.columns ?? 80} color={color} />;
  const ink = render(app(), { stdout: stream, stderr: stream, exitOnCtrlC: false, patchConsole: false });
  const timer = setInterval(() => ink.rerender(app()), frameMs);
  return {
    event: (event) => state.event(event, now()),
    async stop() {
      clearInterval(timer);
      state.settle(now());
      ink.rerender(app());
      ink.unmount();
      await ink.waitUntilExit();
    },
  };
}
