import type { Clock } from '../../core/clock.ts';
import { toError, WherryError } from '../../core/errors.ts';
import type { Cri } from '../../engines/containerd/cri.ts';
import type { HTTPGetAction } from '../../kube/types.gen.ts';
import type { HookRunner, HookTarget } from '../hook-runner.ts';
import { formatPod } from '../pods/identity.ts';
import { headersOf, httpGet, isPlainHttp, urlOf } from '../probes/http-get.ts';

export interface HookRunnerOptions {
  readonly cri: Pick<Cri, 'execSync'>;
  readonly clock: Clock;
}

/** Hooks have no time of their own: the runtime's call is bounded by this, and by the signal of the caller. */
const execTimeoutMs = 24 * 60 * 60 * 1000;
const userAgent = 'kube-lifecycle/1.36';

/** Runs lifecycle handlers; see HookRunner. */
export function createHookRunner({ cri, clock }: HookRunnerOptions): HookRunner {
  async function runExec(target: HookTarget, command: readonly string[], signal: AbortSignal): Promise<void> {
    let said = '';
    try {
      const { exitCode, stdout, stderr } = await cri.execSync(
        { containerId: target.containerId, cmd: [...command], timeout: 0 },
        { signal, timeoutMs: execTimeoutMs },
      );
      if (exitCode === 0) return;
      said = Buffer.concat([stdout, stderr]).toString('utf8');
      const line = command.join(' ');
      throw new WherryError(
        'HOOK_EXIT',
        `command '${line}' exited with ${exitCode}: ${Buffer.from(stderr).toString('utf8')}`,
      );
    } catch (cause) {
      signal.throwIfAborted();
      throw failure(target, `Exec lifecycle hook ([${command.join(' ')}])`, cause, said);
    }
  }

  async function runHttp(target: HookTarget, action: HTTPGetAction, signal: AbortSignal): Promise<void> {
    try {
      const url = urlOf(action, target.container, target.podIP);
      const headers = headersOf(action, userAgent);
      try {
        await httpGet(url, { headers, signal, followsRedirects: true });
      } catch (thrown) {
        if (url.protocol !== 'https:' || !isPlainHttp(thrown)) throw thrown;
        // Hooks of old asked in plain HTTP whatever their scheme; what only TLS may carry is left out.
        const plain = Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization');
        url.protocol = 'http:';
        await httpGet(url, { headers: Object.fromEntries(plain), signal, followsRedirects: true });
      }
    } catch (cause) {
      signal.throwIfAborted();
      throw failure(target, `HTTP lifecycle hook (${action.path ?? ''})`, cause, '');
    }
  }

  return {
    async run(target, handler, signal) {
      signal.throwIfAborted();
      const { exec, httpGet: http, sleep } = handler;
      if (exec) await runExec(target, exec.command ?? [], signal);
      else if (http) await runHttp(target, http, signal);
      else if (sleep) await clock.sleep(sleep.seconds * 1000, signal);
      else throw new WherryError('HOOK_HANDLER', `Cannot run handler: invalid handler: ${JSON.stringify(handler)}`);
    },
  };
}

function failure({ pod, container }: HookTarget, what: string, cause: unknown, said: string): WherryError {
  const where = `for Container ${JSON.stringify(container.name)} in Pod ${JSON.stringify(formatPod(pod))}`;
  const message = `${what} ${where} failed - error: ${toError(cause).message}, message: ${JSON.stringify(said)}`;
  return new WherryError('HOOK_FAILED', message, { cause });
}
