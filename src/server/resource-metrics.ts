import type { Duplex } from 'node:stream';
import type { NodeConnector } from '../apiserver/streaming/node-connector.ts';
import type { Clock } from '../core/clock.ts';
import { TransientError, toError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import { request as httpRequest } from '../core/node-http.ts';
import { findCondition } from '../kube/conditions.ts';
import { nodes } from '../kube/resources.gen.ts';
import type { Node } from '../kube/types.gen.ts';
import type { StatsSummary } from '../node/stats/stats.ts';
import { startUsageSampler, type UsageSampler } from '../node/stats/usage-sampler.ts';
import type { Informers } from '../runtime/controller.ts';

export interface ResourceMetricsOptions {
  readonly informers: Informers;
  readonly connector: NodeConnector;
  readonly clock: Clock;
  readonly log: Log;
}

/** A node's summary has a few KiB a pod. */
const summaryBytesMax = 32 * 1024 * 1024;

/** What metrics.k8s.io tells: the use of every node that is Ready, asked of its kubelet API (/stats/summary). */
export function startResourceMetrics({ informers, connector, clock, log }: ResourceMetricsOptions): UsageSampler {
  const all = informers.of(nodes);
  const sampled = () =>
    all
      .list()
      .filter((node) => findCondition(node.status?.conditions, 'Ready')?.status === 'True')
      .map((node) => ({
        name: node.metadata.name ?? '',
        summary: (signal: AbortSignal) => askSummary(connector, node, signal),
      }));
  return startUsageSampler({ nodes: sampled, clock, log });
}

async function askSummary(connector: NodeConnector, node: Node, signal: AbortSignal): Promise<StatsSummary> {
  const connection = await connector.connect(node, signal);
  try {
    const { status, body } = await get(connection, '/stats/summary', signal);
    if (status !== 200)
      throw new TransientError('NODE_SUMMARY', `/stats/summary answered ${status}: ${body.slice(0, 200)}`);
    const summary: unknown = JSON.parse(body);
    if (isSummary(summary)) return summary;
    throw new TransientError('NODE_SUMMARY', '/stats/summary answered something else');
  } finally {
    connection.destroy();
  }
}

function get(
  connection: Duplex,
  path: string,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'node', connection: 'close' };
    const outgoing = httpRequest({ createConnection: () => connection, path, headers, signal }, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength;
        if (bytes > summaryBytesMax) answer.destroy(new TransientError('NODE_SUMMARY', '/stats/summary is too large'));
        else chunks.push(chunk);
      });
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    outgoing.once('error', (error) => reject(toError(error)));
    outgoing.end();
  });
}

function isSummary(value: unknown): value is StatsSummary {
  return isObject(value) && isObject(value['node']) && Array.isArray(value['pods']);
}
