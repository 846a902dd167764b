import { hostname } from 'node:os';
import type { Command } from 'commander';
import { WherryError } from '../core/errors.ts';
import { runInForegroundUntilSignal } from './foreground.ts';
import { readGiven } from './given-file.ts';

interface ClientFlags {
  readonly remote?: string;
  readonly url?: string;
  readonly upstream?: readonly string[];
  readonly token?: string;
  readonly tokenFrom?: string;
  readonly printToken?: boolean;
  readonly strictForwarding: string | boolean;
  readonly insecure?: boolean;
  readonly pin?: string;
  readonly caFile?: string;
  readonly debug?: boolean;
  readonly logFile?: string;
}

/** `wherry tunnel client`: the end behind NAT, until SIGINT or SIGTERM. */
export function addTunnelClient(tunnel: Command): void {
  tunnel
    .command('client')
    .description('serve upstreams of this network at the exit')
    .option('--remote <address>', 'the exit, as wss://HOST:PORT or HOST:PORT')
    .option('-r, --url <address>', 'the same')
    .option(
      '-u, --upstream <url>',
      'where requests go: URL, HOST=URL or PORT=tcp://HOST:PORT, several with commas or repeated',
      (value: string, before: readonly string[] = []) => [...before, value],
    )
    .option('-t, --token <token>', 'the token that the exit knows')
    .option('-f, --token-from <file>', 'read the token from a file')
    .option('--print-token', 'print the token')
    .option('--strict-forwarding [yes]', 'forward to the given upstreams alone; =false for any host asked for', 'true')
    .option('--insecure', 'allow a remote without encryption (ws://)')
    .option('--pin <pin>', "the digest of the exit's key, sha256//..., as the exit prints it")
    .option('--ca-file <file>', "authorities that vouch for the exit's certificate, PEM")
    .option('--debug', 'log more')
    .option('--log-file <file>', 'write the log there instead of to standard error')
    .action(async (flags: ClientFlags) => {
      const [{ parseRemote }, { parseUpstreams }, { parsePin }] = await Promise.all([
        import('../tunnel/remote.ts'),
        import('../tunnel/upstream.ts'),
        import('../tunnel/client/dial.ts'),
      ]);
      const address = flags.remote ?? flags.url;
      if (address === undefined)
        throw new WherryError('TUNNEL_REMOTE', 'no exit is given', {
          hint: 'add --remote wss://exit.example.org:8080',
        });
      if (flags.upstream === undefined)
        throw new WherryError('TUNNEL_UPSTREAM', 'no upstream is given', {
          hint: 'add --upstream http://127.0.0.1:3000',
        });
      const remote = parseRemote(address, flags.insecure === true);
      const upstreams = parseUpstreams(flags.upstream, String(flags.strictForwarding) !== 'false');
      const token = await readToken(flags);
      if (flags.printToken === true) process.stdout.write(`Token: ${token}\n`);
      const trust = {
        ...(flags.pin === undefined ? {} : { pin: parsePin(flags.pin) }),
        ...(flags.caFile === undefined ? {} : { authorities: await readGiven('--ca-file', flags.caFile) }),
      };
      const settings = {
        logLevel: flags.debug === true ? ('debug' as const) : ('info' as const),
        logFile: flags.logFile,
      };
      await runInForegroundUntilSignal(settings, async ({ clock, log, signal }) => {
        const { TunnelClient } = await import('../tunnel/client/tunnel-client.ts');
        await using _client = new TunnelClient({ remote, trust, token, name: hostname(), upstreams, clock, log });
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      });
    });
}

async function readToken({ token, tokenFrom }: ClientFlags): Promise<string> {
  const given = tokenFrom === undefined ? (token ?? '') : await readGiven('--token-from', tokenFrom);
  if (given.trim() !== '') return given.trim();
  throw new WherryError('TUNNEL_TOKENS', 'no token is given', { hint: "add --token-from FILE with the exit's token" });
}
