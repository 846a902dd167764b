import type { Command } from 'commander';
import { WherryError } from '../core/errors.ts';
import type { ExitRunOptions } from '../server/tunnel-exit.ts';
import { runInForegroundUntilSignal } from './foreground.ts';

interface ServerFlags {
  readonly port: string;
  readonly controlPort: string;
  readonly httpsPort?: string;
  readonly dataAddr: string;
  readonly controlAddr: string;
  readonly token?: string;
  readonly tokenFrom?: string;
  readonly printToken?: boolean;
  readonly insecure?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly publicAddress?: readonly string[];
  readonly trustedProxies?: readonly string[];
  readonly statusAddress: string;
  readonly dataDir: string;
  readonly debug?: boolean;
  readonly logFile?: string;
}

/** `wherry tunnel server`: the exit, on a machine with a public address, until SIGINT or SIGTERM. */
export function addTunnelServer(tunnel: Command): void {
  tunnel
    .command('server')
    .description('run the public end of tunnels on this machine')
    .option('-p, --port <port>', 'where users come to, HTTP', '8000')
    .option('-c, --control-port <port>', 'where clients come to; may be the same as --port', '8080')
    .option('--https-port <port>', 'where users come to, HTTPS')
    .option('--data-addr <address>', 'address that users come to', '0.0.0.0')
    .option('--control-addr <address>', 'address that clients come to', '0.0.0.0')
    .option('-t, --token <token>', 'the token that clients must know')
    .option('-f, --token-from <file>', 'read the token, or several with what each may do, from a file')
    .option('--print-token', 'print the token')
    .option('--insecure', 'no encryption: a proxy before this server has it')
    .option('--tls-cert <file>', 'certificate with its chain, PEM; without it one is made')
    .option('--tls-key <file>', 'its private key, PEM')
    .option('--public-address <address...>', 'what clients are told about where users reach this machine')
    .option('--trusted-proxies <range...>', 'proxies before this server whose X-Forwarded-For is believed')
    .option('--status-address <address>', 'status page and metrics, HOST:PORT, or "none"', '127.0.0.1:8002')
    .option('--data-dir <folder>', 'where the certificate that is made lies', '/var/lib/wherry/tunnel')
    .option('--debug', 'log more')
    .option('--log-file <file>', 'write the log there instead of to standard error')
    .action(async (flags: ServerFlags) => {
      const options = readFlags(flags);
      const settings = {
        logLevel: flags.debug === true ? ('debug' as const) : ('info' as const),
        logFile: flags.logFile,
      };
      await runInForegroundUntilSignal(settings, async (environment) => {
        const { runExit } = await import('../server/tunnel-exit.ts');
        await runExit(options, environment, (line) => process.stdout.write(`${line}\n`));
      });
    });
}

function readFlags(flags: ServerFlags): ExitRunOptions {
  const { token, tokenFrom, tlsCert, tlsKey, httpsPort, statusAddress } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new WherryError('TUNNEL_TLS', 'a certificate and its key belong together', {
      hint: 'give both --tls-cert and --tls-key',
    });
  return {
    port: portOf('--port', flags.port),
    controlPort: portOf('--control-port', flags.controlPort),
    httpsPort: httpsPort === undefined ? undefined : portOf('--https-port', httpsPort),
    dataAddress: flags.dataAddr,
    controlAddress: flags.controlAddr,
    token,
    tokenFrom,
    printToken: flags.printToken === true,
    insecure: flags.insecure === true,
    certificateFiles: tlsCert === undefined || tlsKey === undefined ? undefined : { certificate: tlsCert, key: tlsKey },
    publicAddresses: flags.publicAddress ?? [],
    trustedProxies: flags.trustedProxies ?? [],
    statusAddress: statusAddress === 'none' ? undefined : splitAddress(statusAddress),
    dataDir: flags.dataDir,
  };
}

function portOf(option: string, text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new WherryError('BAD_PORT', `${option} ${text} is no port`, { hint: `write ${option} 8000` });
}

function splitAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text);
  if (match === null)
    throw new WherryError('BAD_ADDRESS', `--status-address ${text} is no address with a port`, {
      hint: 'write 127.0.0.1:8002, or none',
    });
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port: portOf('--status-address', match[3] ?? '') };
}
