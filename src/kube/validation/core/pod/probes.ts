import { invalid, notSupported, required } from '../../../field-error.ts';
import { isHttpHeaderName } from '../../../names.ts';
import type { ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, SleepAction } from '../../../types.gen.ts';
import { type Errors, each, exactlyOne, nonNegative, portNumber, portNumberOrName, source } from '../../common.ts';

const tooManyHandlers = 'may not specify more than 1 handler type';

export function* validateLivenessProbe(probe: Probe | undefined, field: string): Errors {
  if (probe === undefined) return;
  yield* validateProbe(probe, field);
  yield* succeedsAtOnce(probe, field);
}

export function* validateReadinessProbe(probe: Probe | undefined, field: string): Errors {
  if (probe === undefined) return;
  yield* validateProbe(probe, field);
  const { terminationGracePeriodSeconds: seconds } = probe;
  if (seconds !== undefined) {
    yield invalid(`${field}.terminationGracePeriodSeconds`, seconds, 'must not be set for readinessProbes');
  }
}

export const validateStartupProbe = validateLivenessProbe;

function* succeedsAtOnce({ successThreshold = 0 }: Probe, field: string): Errors {
  if (successThreshold !== 1) yield invalid(`${field}.successThreshold`, successThreshold, 'must be 1');
}

function* validateProbe(probe: Probe, field: string): Errors {
  const handlers = [
    source(probe.exec, `${field}.exec`, validateExec),
    source(probe.httpGet, `${field}.httpGet`, validateHttpGet),
    source(probe.tcpSocket, `${field}.tcpSocket`, (tcp, path) => portNumberOrName(tcp.port ?? 0, `${path}.port`)),
    source(probe.grpc, `${field}.grpc`, (grpc, path) => portNumber(grpc.port ?? 0, `${path}.port`)),
  ];
  const found = yield* exactlyOne(handlers, tooManyHandlers);
  if (found === 0) yield required(field, 'must specify a handler type');
  yield* nonNegative(probe.initialDelaySeconds, `${field}.initialDelaySeconds`);
  yield* nonNegative(probe.timeoutSeconds, `${field}.timeoutSeconds`);
  yield* nonNegative(probe.periodSeconds, `${field}.periodSeconds`);
  yield* nonNegative(probe.successThreshold, `${field}.successThreshold`);
  yield* nonNegative(probe.failureThreshold, `${field}.failureThreshold`);
  const { terminationGracePeriodSeconds: seconds } = probe;
  if (seconds !== undefined && seconds <= 0) {
    yield invalid(`${field}.terminationGracePeriodSeconds`, seconds, 'must be greater than 0');
  }
}

function* validateExec({ command = [] }: ExecAction, field: string): Errors {
  if (command.length === 0) yield required(`${field}.command`);
}

function* validateHttpGet({ path = '', port, scheme = '', httpHeaders = [] }: HTTPGetAction, field: string): Errors {
  if (path === '') yield required(`${field}.path`);
  yield* portNumberOrName(port ?? 0, `${field}.port`);
  if (scheme !== 'HTTP' && scheme !== 'HTTPS') yield notSupported(`${field}.scheme`, scheme, ['HTTP', 'HTTPS']);
  for (const { name = '' } of httpHeaders) yield* each(isHttpHeaderName(name), `${field}.httpHeaders`, name);
}

const stopSignals: readonly string[] = [
  ...['SIGABRT', 'SIGALRM', 'SIGBUS', 'SIGCHLD', 'SIGCLD', 'SIGCONT', 'SIGFPE', 'SIGHUP', 'SIGILL', 'SIGINT', 'SIGIO'],
  ...['SIGIOT', 'SIGKILL', 'SIGPIPE', 'SIGPOLL', 'SIGPROF', 'SIGPWR', 'SIGQUIT'],
  ...Array.from({ length: 15 }, (_, index) => `SIGRTMAX${index === 0 ? '' : `-${index}`}`).sort(),
  ...Array.from({ length: 16 }, (_, index) => `SIGRTMIN${index === 0 ? '' : `+${index}`}`).sort(),
  ...['SIGSEGV', 'SIGSTKFLT', 'SIGSTOP', 'SIGSYS', 'SIGTERM', 'SIGTRAP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG'],
  ...['SIGUSR1', 'SIGUSR2', 'SIGVTALRM', 'SIGWINCH', 'SIGXCPU', 'SIGXFSZ'],
];

/** Hooks of a container. `graceSeconds` is absent when the pod's own is wrong, which is reported there. */
export function* validateLifecycle(
  lifecycle: Lifecycle | undefined,
  graceSeconds: number | undefined,
  osName: string | undefined,
  field: string,
): Errors {
  if (lifecycle === undefined) return;
  const { postStart, preStop, stopSignal } = lifecycle;
  if (postStart !== undefined) yield* validateHook(postStart, graceSeconds, `${field}.postStart`);
  if (preStop !== undefined) yield* validateHook(preStop, graceSeconds, `${field}.preStop`);
  if (stopSignal === undefined) return;
  const path = `${field}.stopSignal`;
  if (osName === undefined) {
    yield invalid(path, stopSignal, 'may not be set for containers with empty `spec.os.name`');
  } else if (osName === 'windows') {
    if (stopSignal !== 'SIGTERM' && stopSignal !== 'SIGKILL') {
      yield notSupported(path, stopSignal, ['SIGKILL', 'SIGTERM']);
    }
  } else if (!stopSignals.includes(stopSignal)) yield notSupported(path, stopSignal, stopSignals);
}

function* validateHook(hook: LifecycleHandler, graceSeconds: number | undefined, field: string): Errors {
  const handlers = [
    source(hook.exec, `${field}.exec`, validateExec),
    source(hook.httpGet, `${field}.httpGet`, validateHttpGet),
    source(hook.tcpSocket, `${field}.tcpSocket`, (tcp, path) => portNumberOrName(tcp.port ?? 0, `${path}.port`)),
    source(hook.sleep, `${field}.sleep`, (sleep, path) => validateSleep(sleep, graceSeconds, path)),
  ];
  const found = yield* exactlyOne(handlers, tooManyHandlers);
  if (found === 0) yield required(field, 'must specify a handler type');
}

function* validateSleep({ seconds = 0 }: SleepAction, graceSeconds: number | undefined, field: string): Errors {
  if (graceSeconds === undefined || (seconds >= 0 && seconds <= graceSeconds)) return;
  const detail = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
  yield invalid(field, seconds, detail);
}
