import { chmodSync, existsSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { errorCode, WherryError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { createServer, request as httpRequest } from '../core/node-http.ts';
import type { ComponentStatus, Progress } from './progress.ts';

/**
 * The local door of a running server: HTTP on a Unix socket in the data directory that only root may open.
 * GET /status answers the components as JSON; with ?follow=1 one line a change, until the start is over.
 * POST /stop asks for an orderly end; ?keepPods=1 leaves the containers running.
 */
export interface ControlState {
  readonly pid: number;
  readonly version: string;
  /** Whether it runs the cluster or only a node of one. */
  readonly role: 'server' | 'agent';
  readonly ready: boolean;
  readonly error?: { readonly message: string; readonly hint?: string };
  readonly components: readonly ComponentStatus[];
}

export interface ControlOptions {
  readonly socketPath: string;
  readonly version: string;
  readonly role: ControlState['role'];
  readonly progress: Progress;
  /** Settles when the start is over: resolves when the cluster is ready, rejects with what stopped it. */
  readonly started: Promise<void>;
  stop(keepPods: boolean): void;
}

/** Opens the door. Throws WherryError ALREADY_RUNNING when another server answers on the same socket. */
export async function listenControl(options: ControlOptions): Promise<AsyncDisposable> {
  let outcome: { ready: boolean; error?: unknown } = { ready: false };
  options.started.then(
    () => {
      outcome = { ready: true };
    },
    (error: unknown) => {
      outcome = { ready: false, error };
    },
  );
  const state = (): ControlState => ({
    pid: process.pid,
    version: options.version,
    role: options.role,
    ready: outcome.ready,
    ...(outcome.error === undefined ? {} : { error: describe(outcome.error) }),
    components: options.progress.components,
  });
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://control');
    response.setHeader('content-type', 'application/json');
    if (request.method === 'POST' && url.pathname === '/stop') {
      response.end('{}\n');
      options.stop(url.searchParams.has('keepPods'));
      return;
    }
    if (request.method !== 'GET' || url.pathname !== '/status') {
      response.writeHead(404).end('{}\n');
      return;
    }
    if (!url.searchParams.has('follow')) {
      response.end(`${JSON.stringify(state())}\n`);
      return;
    }
    const subscription = options.progress.subscribe((status) =>
      response.write(`${JSON.stringify({ component: status })}\n`),
    );
    const finish = () => {
      subscription[Symbol.dispose]();
      response.end(`${JSON.stringify({ state: state() })}\n`);
    };
    options.started.then(finish, finish);
    response.on('close', () => subscription[Symbol.dispose]());
  });
  if (existsSync(options.socketPath)) {
    if (await controlStatus(options.socketPath)) {
      throw new WherryError(
        'ALREADY_RUNNING',
        `a server already runs with this data directory (${options.socketPath} answers)`,
        {
          hint: 'stop it with `wherry down`, or choose another --data-dir',
        },
      );
    }
    rmSync(options.socketPath, { force: true });
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.socketPath, resolve);
  });
  chmodSync(options.socketPath, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      rmSync(options.socketPath, { force: true });
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function describe(error: unknown): { message: string; hint?: string } {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof WherryError ? error.hint : undefined;
  return hint === undefined ? { message } : { message, hint };
}

/** What the server behind the socket says of itself, or null when none answers. */
export async function controlStatus(socketPath: string): Promise<ControlState | null> {
  for await (const line of controlRequest(socketPath, 'GET', '/status')) return parseState(line);
  return null;
}

/** Asks the server to stop; false when none answers. It is gone when its socket is. */
export async function controlStop(socketPath: string, keepPods: boolean): Promise<boolean> {
  for await (const _ of controlRequest(socketPath, 'POST', keepPods ? '/stop?keepPods=1' : '/stop')) return true;
  return false;
}

/** The steps of a start as they happen, then the state in which it ended. Ends without a state when the server dies. */
export async function* followStart(
  socketPath: string,
): AsyncIterable<{ component: ComponentStatus } | { state: ControlState }> {
  for await (const line of controlRequest(socketPath, 'GET', '/status?follow=1')) {
    if (!isObject(line)) continue;
    if (isComponent(line['component'])) yield { component: line['component'] };
    const state = parseState(line['state']);
    if (state !== null) yield { state };
  }
}

async function* controlRequest(socketPath: string, method: string, path: string): AsyncIterable<unknown> {
  let response: IncomingMessage;
  try {
    response = await new Promise<IncomingMessage>((resolve, reject) => {
      httpRequest({ socketPath, method, path }, resolve).on('error', reject).end();
    });
  } catch (error) {
    // No socket, or one that a killed server left behind: nobody is at home.
    if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET'].includes(errorCode(error) ?? '')) return;
    throw error;
  }
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line);
  }
}

function isComponent(value: unknown): value is ComponentStatus {
  return (
    isObject(value) &&
    typeof value['name'] === 'string' &&
    typeof value['state'] === 'string' &&
    typeof value['message'] === 'string'
  );
}

function parseState(value: unknown): ControlState | null {
  if (!isObject(value)) return null;
  const { pid, version, role, ready, components, error } = value;
  if (typeof pid !== 'number' || typeof version !== 'string' || !Array.isArray(components)) return null;
  const failure = isObject(error) && typeof error['message'] === 'string' ? error : undefined;
  return {
    pid,
    version,
    role: role === 'agent' ? 'agent' : 'server',
    ready: ready === true,
    components: components.filter(isComponent),
    ...(failure === undefined
      ? {}
      : {
          error: {
            message: String(failure['message']),
            ...(typeof failure['hint'] === 'string' ? { hint: failure['hint'] } : {}),
          },
        }),
  };
}
