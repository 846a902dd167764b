import type { ComponentStatus } from '../server/progress.ts';

/** Writes one line for each step that ended, or that failed later; on a terminal also the step that is under way. */
export function stepPrinter(output: NodeJS.WriteStream): (status: ComponentStatus) => void {
  const shown = new Map<string, ComponentStatus>();
  return (status) => {
    const former = shown.get(status.name);
    // What runs goes on telling how it is, which is for `status` to show.
    if (former?.state === status.state && (status.state === 'running' || former.message === status.message)) return;
    shown.set(status.name, status);
    if (status.state === 'starting') {
      if (output.isTTY) output.write(`  ${status.name} ...\r`);
      return;
    }
    const erase = output.isTTY ? '\x1b[2K' : '';
    output.write(`${erase}${componentLine(status)}\n`);
  };
}

/** `ok  Datastore            0.12 s  SQLite ...`, `FAILED` with the reason and what to try. */
export function componentLine(status: ComponentStatus): string {
  const mark = { running: 'ok    ', failed: 'FAILED', starting: '...   ', stopped: 'off   ' }[status.state];
  const line = `${mark}  ${status.name.padEnd(18)} ${`${(status.startMs / 1000).toFixed(2)} s`.padStart(8)}  ${status.message}`;
  return status.hint === undefined ? line : `${line}\n        Try: ${status.hint}`;
}
