import { randomBytes } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import path from 'node:path';
import { describeError, WherryError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { pinOf } from '../tunnel/client/dial.ts';
import type { KeyPair } from '../tunnel/exit/door.ts';
import { type Exit, startExit } from '../tunnel/exit/exit.ts';
import { serveStatus } from '../tunnel/exit/status-page.ts';
import { fullToken, parseTokenFile, type TokenList } from '../tunnel/tokens.ts';
import { ensureAuthority, ensureLeaf } from './pki/certificates.ts';
import { readIfPresent, writeAtomically } from './pki/files.ts';
import type { RunEnvironment } from './run.ts';

/** How often given files (tokens, certificate) are looked at, milliseconds. */
const lookEveryMs = 2_000;
/** How often a certificate of our own is looked at, milliseconds. */
const renewEveryMs = 6 * 60 * 60 * 1000;

export interface ExitRunOptions {
  readonly port: number;
  readonly controlPort: number;
  readonly httpsPort: number | undefined;
  readonly dataAddress: string;
  readonly controlAddress: string;
  readonly token: string | undefined;
  readonly tokenFrom: string | undefined;
  readonly printToken: boolean;
  /** No encryption. */
  readonly insecure: boolean;
  readonly certificateFiles: { readonly certificate: string; readonly key: string } | undefined;
  readonly publicAddresses: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly statusAddress: { readonly host: string; readonly port: number } | undefined;
  readonly dataDir: string;
}

/** Runs the public end of tunnels until the signal; `say` prints what a person at the start wants to know. */
export async function runExit(
  options: ExitRunOptions,
  { clock, log, signal }: RunEnvironment,
  say: (line: string) => void,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const tokens = await readTokens(options);
  for (const problem of tokens.problems) log.warn(problem);
  const certificate = options.insecure ? undefined : await readCertificate(options, clock.now());
  const exit = stack.use(
    await startExit({ ...options, certificate, tokens, clock, log: log.child({ room: 'tunnel' }) }),
  );
  if (options.statusAddress !== undefined) {
    const { host, port } = options.statusAddress;
    const status = stack.use(await serveStatus(exit, host, port));
    say(`Status:   http://${host}:${status.port}/`);
  }
  announce(options, exit, certificate, tokens, say);
  if (options.tokenFrom !== undefined)
    stack.use(
      onChange(options.tokenFrom, log, async () => {
        const list = await readTokens(options);
        for (const problem of list.problems) log.warn(problem);
        exit.setTokens(list);
        log.info('the tokens were read again', { tokens: list.tokens.length });
      }),
    );
  if (certificate !== undefined) stack.use(keepCertificate(options, exit, log, () => clock.now()));
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function announce(
  { publicAddresses, insecure, printToken }: ExitRunOptions,
  exit: Exit,
  certificate: KeyPair | undefined,
  { tokens }: TokenList,
  say: (line: string) => void,
): void {
  const { data, https, control } = exit.ports;
  const place = publicAddresses[0] ?? hostname();
  say(`Users:    http://${place}:${data}${https === undefined ? '' : `, https://${place}:${https}`}`);
  say(`Clients:  ${insecure ? 'ws' : 'wss'}://${place}:${control}`);
  if (certificate !== undefined) say(`Pin:      ${pinOf(certificate.certificate)}`);
  if (printToken) for (const { name, token } of tokens) say(`Token:    ${name} ${token}`);
  const pin = certificate === undefined ? ' --insecure' : ` --pin ${pinOf(certificate.certificate)}`;
  const remote = `${insecure ? 'ws' : 'wss'}://${place}:${control}`;
  say(`Try:      wherry tunnel client --remote ${remote} --upstream http://127.0.0.1:3000 --token-from FILE${pin}`);
}

/** The tokens that were given; one that is made and kept when there are none. */
async function readTokens({ token, tokenFrom, dataDir }: ExitRunOptions): Promise<TokenList> {
  if (tokenFrom !== undefined) return parseTokenFile(await readText(tokenFrom, '--token-from'));
  if (token !== undefined && token.trim() !== '') return parseTokenFile(token);
  const file = path.join(dataDir, 'token');
  const kept = await readIfPresent(file);
  if (kept !== undefined) return parseTokenFile(kept);
  const made = randomBytes(32).toString('hex');
  await writeAtomically(file, `${made}\n`, 0o600);
  return { tokens: [fullToken('default', made)], problems: [`no token was given; one was made and lies in ${file}`] };
}

async function readText(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new WherryError('FILE_UNREADABLE', `${file} can't be read`, {
      cause,
      hint: `give ${option} a file that exists`,
    });
  }
}

async function readCertificate(options: ExitRunOptions, nowMs: number): Promise<KeyPair> {
  const { certificateFiles, dataDir, publicAddresses } = options;
  if (certificateFiles !== undefined) {
    const certificate = await readText(certificateFiles.certificate, '--tls-cert');
    const key = await readText(certificateFiles.key, '--tls-key');
    return { certificate, key };
  }
  const authority = await ensureAuthority(dataDir, 'tunnel-ca', nowMs);
  const names = [hostname(), 'localhost', ...publicAddresses];
  const request = {
    subject: { commonName: 'wherry-tunnel', organizations: [] },
    usages: ['serverAuth' as const],
    names: {
      dns: names.filter((name) => isIP(name) === 0),
      ips: ['127.0.0.1', ...names.filter((name) => isIP(name) !== 0)],
    },
  };
  return await ensureLeaf(dataDir, 'serving-tunnel', authority, request, nowMs);
}

/** Serves a renewed certificate as soon as it is there: given files when they change, our own before it ends. */
function keepCertificate(options: ExitRunOptions, exit: Exit, log: Log, nowMs: () => number): Disposable {
  const renew = async () => exit.setCertificate(await readCertificate(options, nowMs()));
  const { certificateFiles } = options;
  if (certificateFiles !== undefined) return onChange(certificateFiles.certificate, log, renew);
  const timer = setInterval(
    () =>
      renew().catch((error: unknown) =>
        log.error('the certificate could not be renewed', { error: describeError(error) }),
      ),
    renewEveryMs,
  );
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Calls `read` after each change of a file; what it throws is told, and what was read before stays in force. */
function onChange(file: string, log: Log, read: () => Promise<void>): Disposable {
  const listener = () => {
    read().catch((error: unknown) =>
      log.error(`${file} was changed and is not taken over`, { error: describeError(error) }),
    );
  };
  watchFile(file, { interval: lookEveryMs, persistent: false }, listener);
  return { [Symbol.dispose]: () => unwatchFile(file, listener) };
}
