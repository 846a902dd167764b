import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { run } from '../process/run.ts';

/** A service that systemd keeps running. */
export interface Unit {
  /** Without `.service`. */
  readonly name: string;
  readonly description: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** systemd is the init of this machine: sd_booted(3). */
export function systemdRuns(): boolean {
  return existsSync('/run/systemd/system');
}

/** The unit file (systemd.service(5)). Containers outlive a stop, so only the main process is killed. */
export function compileUnit(unit: Unit): string {
  const environment = Object.entries(unit.environment).map(
    ([name, value]) => `Environment=${quote(`${name}=${value}`)}`,
  );
  return [
    '[Unit]',
    `Description=${unit.description}`,
    'Wants=network-online.target',
    'After=network-online.target',
    '',
    '[Service]',
    'Type=exec',
    ...environment,
    `ExecStart=${unit.command.map(quote).join(' ')}`,
    'KillMode=process',
    'Delegate=yes',
    'LimitNOFILE=1048576',
    'LimitNPROC=infinity',
    'LimitCORE=infinity',
    'TasksMax=infinity',
    'TimeoutStopSec=120',
    'Restart=always',
    'RestartSec=2',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
}

/** Installs the unit, starts it now and at every boot; does nothing where that is so already. */
export async function applyUnit(unit: Unit): Promise<void> {
  const file = unitFile(unit.name);
  const text = compileUnit(unit);
  if (!existsSync(file) || (await readFile(file, 'utf8')) !== text) {
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
    await run('systemctl', ['daemon-reload']);
  }
  await run('systemctl', ['enable', '--quiet', unit.name]);
  await run('systemctl', ['start', unit.name], { timeoutMs: 120_000 });
}

/** Stops the unit, which stays installed; does nothing where it is not. */
export async function stopUnit(name: string): Promise<void> {
  if (existsSync(unitFile(name))) await run('systemctl', ['stop', name], { timeoutMs: 150_000 });
}

/** Stops and removes the unit. */
export async function removeUnit(name: string): Promise<void> {
  if (!existsSync(unitFile(name))) return;
  await run('systemctl', ['disable', '--quiet', '--now', name], { timeoutMs: 150_000 });
  await rm(unitFile(name));
  await run('systemctl', ['daemon-reload']);
}

function unitFile(name: string): string {
  return `/etc/systemd/system/${name}.service`;
}

/** Quoting of systemd.syntax(7); `%` and `$` are doubled so that nothing is expanded. */
function quote(word: string): string {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%+=:,./-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}
