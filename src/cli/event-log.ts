import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { LlmkitEvent } from '../core/events.ts';
import { failureOf } from './failures.ts';

/**
 * Appends events to `<output_dir>/events.jsonl`, a line each with its time. A log that cannot be written is a
 * warning, once, and never the end of a training run.
 */
export class EventLog {
  private readonly file: number;
  private broken = false;
  private readonly warn: (message: string) => void;

  private constructor(file: number, warn: (message: string) => void) {
    this.file = file;
    this.warn = warn;
  }

  static open(folder: string, warn: (message: string) => void): EventLog | undefined {
    const file = path.join(folder, 'events.jsonl');
    try {
      mkdirSync(folder, { recursive: true });
      return new EventLog(openSync(file, 'a'), warn);
    } catch (error) {
      warn(`events are not logged: ${failureOf(error).message} ${file}`);
      return undefined;
    }
  }

  write(event: LlmkitEvent | { type: string; [key: string]: unknown }): void {
    if (this.broken || event.type === 'text') return;
    try {
      writeSync(this.file, `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    } catch (error) {
      this.broken = true;
      this.warn(`events are no longer logged: ${failureOf(error).message}`);
    }
  }

  close(): void {
    closeSync(this.file);
  }
}
