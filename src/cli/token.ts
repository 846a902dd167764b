import path from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { WherryError } from '../core/errors.ts';
import { parseGoDuration } from '../kube/go-duration.ts';
import { type AdminAccess, advertisedServer, openAdminAccess, withServer } from '../server/admin-access.ts';
import { type BootstrapToken, checkTokenChoices } from '../server/join/bootstrap-token.ts';
import { joinGroup } from '../server/join/join-group.ts';
import { ensureServerToken, readServerToken } from '../server/join/server-token.ts';
import { formatJoinToken, newCredentials, parseJoinToken, tokenIdOf } from '../server/join/token.ts';
import { createToken, listTokens, removeToken } from '../server/join/tokens.ts';
import { pathsOf } from '../server/paths.ts';
import { addDataDir } from './options.ts';
import { requireRoot } from './root.ts';
import { tokenLines } from './token-table.ts';

interface Common {
  readonly dataDir: string;
  readonly kubeconfig?: string;
}
interface CreateFlags extends Common {
  readonly ttl: string;
  readonly description: string;
  readonly groups: readonly string[];
  readonly usages: readonly string[];
  readonly printJoinCommand?: boolean;
}

/** `wherry token`: with what machines join, as k3s has it. */
export function addToken(program: Command): void {
  const token = program.command('token').description('make, list and revoke the tokens with which machines join');
  addCommon(token.command('create').description('make a token and print it'))
    .argument('[token]', 'ID.SECRET of 6 and 16 lower-case letters and digits (default: one that nobody can guess)')
    .option('--ttl <duration>', 'how long it holds, e.g. 30m or 24h; 0 for ever', '24h')
    .option('--description <text>', 'what it is for, as `token list` shows it', '')
    .option('--groups <groups...>', 'groups that its bearer is put in', [joinGroup])
    .option('--usages <usages...>', 'what it may be used for', ['signing', 'authentication'])
    .option('--print-join-command', 'print the command to run on the joining machine instead of the token alone')
    .action(create);
  addCommon(token.command('list').alias('ls').description('list the tokens and when they expire'))
    .option('-o, --output <format>', 'text or json', 'text')
    .action(list);
  addCommon(token.command('delete').alias('revoke').description('revoke tokens: they no longer hold'))
    .argument('<token...>', 'ids, or whole tokens')
    .action(remove);
  addCommon(
    token
      .command('rotate')
      .description("exchange the server's own token, DATA-DIR/server/token, and print the new one"),
  )
    .option('-t, --token <token>', 'the token that is to be exchanged, as a check (default: whatever the file holds)')
    .option('--new-token <token>', 'the new one (default: one that nobody can guess)')
    .action(rotate);
  token
    .command('generate')
    .description('print a token that nobody can guess, without making it')
    .action(() => {
      const { id, secret } = newCredentials();
      process.stdout.write(`${id}.${secret}\n`);
    });
}

function addCommon(command: Command): Command {
  return addDataDir(command).option(
    '--kubeconfig <file>',
    "the administrator's kubeconfig (default: that of DATA-DIR)",
  );
}

async function withAccess<T>(given: Common, run: (access: AdminAccess) => Promise<T>): Promise<T> {
  if (given.kubeconfig === undefined) requireRoot('token');
  using access = await openAdminAccess(given.dataDir, given.kubeconfig);
  return await withServer(() => run(access));
}

async function create(text: string | undefined, given: CreateFlags): Promise<void> {
  const now = systemClock.now();
  const token: BootstrapToken = {
    credentials: text === undefined ? newCredentials() : bootstrapCredentials(text),
    description: given.description,
    expiresAt: expiryOf(given.ttl, now),
    usages: checkTokenChoices(split(given.groups), split(given.usages)),
    groups: split(given.groups),
  };
  await withAccess(given, async ({ client, authority }) => {
    await createToken(client, token);
    const whole = formatJoinToken(authority, token.credentials);
    const server = given.printJoinCommand ? await advertisedServer(client) : '';
    process.stdout.write(
      given.printJoinCommand ? `sudo ./wherry up --server ${server} --token ${whole}\n` : `${whole}\n`,
    );
  });
}

async function list(given: Common & { readonly output: string }): Promise<void> {
  if (given.output !== 'text' && given.output !== 'json') {
    throw new WherryError('INVALID_OPTION', `--output: ${JSON.stringify(given.output)} is not known`, {
      hint: 'use text or json',
    });
  }
  const tokens = await withAccess(given, ({ client }) => listTokens(client));
  const now = systemClock.now();
  const lines =
    given.output === 'text'
      ? tokenLines(tokens, now)
      : tokens.map(({ credentials, expiresAt, ...rest }) =>
          JSON.stringify({
            token: `${credentials.id}.${credentials.secret}`,
            ...rest,
            ...(expiresAt === undefined ? {} : { expires: new Date(expiresAt).toISOString() }),
          }),
        );
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

async function remove(tokens: readonly string[], given: Common): Promise<void> {
  const ids = tokens.map(tokenIdOf);
  await withAccess(given, async ({ client }) => {
    for (const id of ids) {
      await removeToken(client, id);
      process.stdout.write(`bootstrap token "${id}" deleted\n`);
    }
  });
}

async function rotate(given: Common & { readonly token?: string; readonly newToken?: string }): Promise<void> {
  const file = pathsOf(given.dataDir).nodeToken;
  requireRoot('token rotate');
  await withAccess(given, async ({ client, authority }) => {
    const standing = await readServerToken(file);
    const named = given.token === undefined ? undefined : parseJoinToken(given.token).credentials;
    if (named !== undefined && (named.id !== standing?.id || named.secret !== standing.secret)) {
      throw new WherryError('WRONG_TOKEN', `--token: ${path.basename(file)} holds another token`, {
        hint: `compare it with ${file}, or leave --token out`,
      });
    }
    const { id, secret } = given.newToken === undefined ? newCredentials() : parseJoinToken(given.newToken).credentials;
    await ensureServerToken(client, { file, given: `${id}.${secret}`, authority });
    process.stdout.write(`${formatJoinToken(authority, { id, secret })}\n`);
    process.stderr.write('A server that is given --token sets that one again when it starts: change it there too.\n');
  });
}

function bootstrapCredentials(text: string) {
  const { credentials } = parseJoinToken(text);
  if (text.trim().endsWith(`${credentials.id}.${credentials.secret}`)) return credentials;
  throw new WherryError('INVALID_TOKEN', `${JSON.stringify(text)} is no bootstrap token`, {
    hint: 'write ID.SECRET of 6 and 16 lower-case letters and digits, or none to have one made',
  });
}

function expiryOf(ttl: string, now: number): number | undefined {
  const { nanoseconds, error } = parseGoDuration(ttl);
  if (error !== undefined || nanoseconds < 0) {
    throw new WherryError('INVALID_OPTION', `--ttl: ${JSON.stringify(ttl)} is no duration`, {
      hint: 'write one such as 30m, 24h or 0',
    });
  }
  return nanoseconds === 0 ? undefined : now + nanoseconds / 1e6;
}

function split(values: readonly string[]): readonly string[] {
  return values.flatMap((value) => value.split(',')).filter((value) => value !== '');
}
