import { styleText } from 'node:util';

/** Colours for one stream, or none. */
export interface Paint {
  readonly enabled: boolean;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
  bold(text: string): string;
  dim(text: string): string;
}

type Style = Exclude<keyof Paint, 'enabled'>;

export function paintWith(enabled: boolean): Paint {
  const style = (name: Style) => (text: string) => (enabled ? styleText(name, text) : text);
  return {
    enabled,
    red: style('red'),
    green: style('green'),
    yellow: style('yellow'),
    cyan: style('cyan'),
    bold: style('bold'),
    dim: style('dim'),
  };
}

/** Whether a stream gets colours: a terminal, and neither --no-color nor NO_COLOR (no-color.org); FORCE_COLOR overrides the terminal. */
export function wantsColor(stream: { isTTY?: boolean }, flag: boolean, env: NodeJS.ProcessEnv): boolean {
  if (!flag || (env.NO_COLOR ?? '') !== '') return false;
  if ((env.FORCE_COLOR ?? '') !== '' && env.FORCE_COLOR !== '0') return true;
  return stream.isTTY === true && env.TERM !== 'dumb';
}
