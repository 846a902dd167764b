import { connect } from 'node:net';
import { describeError, WherryError } from '../../core/errors.ts';
import { type Cri, isDeadlineExceeded } from '../../engines/containerd/cri.ts';
import { formatGoDuration } from '../../kube/go-duration.ts';
import type { Container, Probe } from '../../kube/types.gen.ts';
import { checkGrpcHealth } from './grpc-health.ts';
import { explainConnect, headersOf, hostPort, httpGet, urlOf } from './http-get.ts';
import type { ProbeOutcome } from './outcome.ts';
import { resolvePort } from './port.ts';

/** Bytes that are kept of a command's output. */
const outputBytesMax = 10 * 1024;
const userAgent = 'kube-probe/1.36';

export interface ProbeTarget {
  readonly container: Container;
  readonly containerId: string;
  readonly podIP: string | undefined;
}

/** One try of a probe. Throws when it could not be tried at all, which says nothing about the container. */
export function attemptProbe(cri: Pick<Cri, 'execSync'>, target: ProbeTarget, probe: Probe): Promise<ProbeOutcome> {
  const timeoutMs = (probe.timeoutSeconds || 1) * 1000;
  const { exec, httpGet: http, tcpSocket, grpc } = probe;
  const host = target.podIP ?? '';
  if (exec) return attemptExec(cri, target.containerId, exec.command ?? [], timeoutMs);
  if (http) return attemptHttp(target, http, timeoutMs);
  if (tcpSocket) return attemptTcp(tcpSocket.host || host, resolvePort(tcpSocket.port, target.container), timeoutMs);
  if (grpc)
    return checkGrpcHealth(host, resolvePort(grpc.port, target.container), grpc.service ?? '', timeoutMs, userAgent);
  throw new WherryError('PROBE', `missing probe handler for ${target.container.name}`);
}

async function attemptExec(
  cri: Pick<Cri, 'execSync'>,
  containerId: string,
  command: readonly string[],
  timeoutMs: number,
): Promise<ProbeOutcome> {
  try {
    const { exitCode, stdout, stderr } = await cri.execSync(
      { containerId, cmd: [...command], timeout: timeoutMs / 1000 },
      // The runtime ends the command itself; this is for a runtime that does not.
      { timeoutMs: timeoutMs + 10_000 },
    );
    const output = Buffer.concat([stdout, stderr]).subarray(0, outputBytesMax).toString('utf8');
    return { result: exitCode === 0 ? 'success' : 'failure', output };
  } catch (thrown) {
    if (!isDeadlineExceeded(thrown)) throw thrown;
    const output = `command timed out: ${JSON.stringify(command.join(' '))} timed out after ${formatGoDuration(timeoutMs)}`;
    return { result: 'failure', output };
  }
}

async function attemptHttp(
  { container, podIP }: ProbeTarget,
  action: NonNullable<Probe['httpGet']>,
  timeoutMs: number,
): Promise<ProbeOutcome> {
  const url = urlOf(action, container, podIP);
  try {
    const headers = headersOf(action, userAgent);
    const signal = AbortSignal.timeout(timeoutMs);
    const { status, body } = await httpGet(url, { headers, signal, followsRedirects: true });
    if (status >= 300 && status < 400)
      return { result: 'warning', output: `Probe terminated redirects, Response body: ${body}` };
    if (status >= 200 && status < 300) return { result: 'success', output: body };
    return { result: 'failure', output: `HTTP probe failed with statuscode: ${status}` };
  } catch (thrown) {
    return { result: 'failure', output: thrown instanceof WherryError ? thrown.message : describeError(thrown) };
  }
}

function attemptTcp(host: string, port: number, timeoutMs: number): Promise<ProbeOutcome> {
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
  const socket = connect({ host, port, timeout: timeoutMs });
  const settle = (outcome: ProbeOutcome) => {
    socket.destroy();
    resolve(outcome);
  };
  socket.once('connect', () => settle({ result: 'success', output: '' }));
  socket.once('timeout', () => settle({ result: 'failure', output: `dial tcp ${hostPort(host, port)}: i/o timeout` }));
  socket.once('error', (error) => settle({ result: 'failure', output: explainConnect(error, host, port) }));
  return promise;
}
