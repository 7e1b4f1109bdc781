import type { CleanConfig } from '../../src/data/clean/text.ts';
import type { RowStep } from '../../src/data/row-step.ts';

export const CLEAN: CleanConfig = {
  unicode: 'nfc',
  mojibake: true,
  control_chars: true,
  whitespace: true,
  html: false,
  boilerplate: false,
};

/** What a step makes of a text row: the text, or the drop. */
export function applyToText(step: RowStep, text: string): string | object {
  const result = step.apply({ type: 'text', text });
  if ('drop' in result) return result.drop;
  return result.example.type === 'text' ? result.example.text : result.example;
}

export const turn = (role: string, content: string) => ({ role, content });

/** Milliseconds that something takes; the best of three, since other work shares the machine. */
export function bestMs(work: () => void): number {
  return Math.min(
    ...[0, 1, 2].map(() => {
      const start = performance.now();
      work();
      return performance.now() - start;
    }),
  );
}
