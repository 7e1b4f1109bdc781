import { Box, Static, Text } from 'ink';
import type { ReactElement } from 'react';
import { formatDuration } from '../core/format.ts';
import { describeProgress, describeValues } from '../core/progress.ts';
import { progressBar, sparkline } from '../core/sparkline.ts';
import type { ActiveStage, DisplayState, FinishedLine, LineKind } from './state.ts';

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

interface AppProps {
  state: DisplayState;
  nowMs: number;
  /** Columns of the terminal. */
  columns: number;
  color: boolean;
}

/** The whole display: finished lines scroll up, stages at work stay at the bottom. */
export function App({ state, nowMs, columns, color }: AppProps): ReactElement {
  return (
    <>
      <Static items={[...state.finished]}>{(line) => <Finished key={line.id} line={line} color={color} />}</Static>
      <Box flexDirection="column">
        {[...state.active.values()].map((stage) => (
          <Stage key={stage.name} stage={stage} nowMs={nowMs} columns={columns} color={color} />
        ))}
      </Box>
    </>
  );
}

const marks: Record<LineKind, { mark: string; color?: string }> = {
  title: { mark: '' },
  done: { mark: '✓ ', color: 'green' },
  note: { mark: '  ' },
  warning: { mark: '! ', color: 'yellow' },
  artifact: { mark: '→ ', color: 'cyan' },
  metric: { mark: '  ', color: 'gray' },
};

function Finished({ line, color }: { line: FinishedLine; color: boolean }): ReactElement {
  const mark = marks[line.kind];
  return (
    <Text bold={color && line.kind === 'title'}>
      <Tint color={mark.color} enabled={color}>
        {mark.mark}
      </Tint>
      {line.text}
    </Text>
  );
}

function Tint({
  color,
  enabled,
  children,
}: {
  color: string | undefined;
  enabled: boolean;
  children: string;
}): ReactElement {
  return color === undefined || !enabled ? <Text>{children}</Text> : <Text color={color}>{children}</Text>;
}

interface StageProps {
  stage: ActiveStage;
  nowMs: number;
  columns: number;
  color: boolean;
}

/** One stage: a bar with count, rate and time left, then its figures and the curve of the first of them. */
function Stage({ stage, nowMs, columns, color }: StageProps): ReactElement {
  const view = stage.progress.view(nowMs);
  const turn = spinner[Math.floor(nowMs / 100) % spinner.length]!;
  const elapsed = formatDuration(nowMs - stage.startMs);
  if (view === undefined) {
    const about = stage.message === undefined ? '' : `: ${stage.message}`;
    return <Text wrap="truncate-end">{`${turn} ${stage.name}${about}  ${elapsed}`}</Text>;
  }
  const figures = describeValues(view.values);
  const curve = sparkline(stage.history.values, 24);
  const bar =
    view.fraction === undefined ? undefined : progressBar(view.fraction, Math.max(8, Math.min(28, columns - 70)));
  return (
    <Box flexDirection="column">
      <Text wrap="truncate-end">
        {`${turn} ${stage.name} `}
        {bar === undefined ? (
          ''
        ) : (
          <Tint color="green" enabled={color}>
            {bar.filled}
          </Tint>
        )}
        {bar === undefined ? '' : bar.empty}
        {` ${describeProgress({ ...view, values: {} })}`}
      </Text>
      {figures === '' ? null : (
        <Text wrap="truncate-end">
          {'  '}
          <Tint color="cyan" enabled={color}>
            {curve === '' ? '' : `${curve} `}
          </Tint>
          {figures}
        </Text>
      )}
    </Box>
  );
}
