import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describeError, WherryError } from '../core/errors.ts';
import { Podnet } from '../network/podnet/podnet.ts';
import { removePodnet } from '../network/podnet/remove.ts';
import { backendOf } from '../network/podnet/settings.ts';
import { createEventRecorder } from '../runtime/event-recorder.ts';
import { podNetworkTable } from './names.ts';
import type { NodeEnvironment } from './node.ts';
import type { Paths } from './paths.ts';

const component = 'Pod network';

/** Keys, logs and settings of the pod network's programs. */
export function podnetFolder(paths: Paths): string {
  return path.join(paths.agent, 'podnet');
}

/**
 * What joins this node's pods with those of other nodes, made ready before the first pod starts; null where an add-on does that.
 * Throws when this machine can't do the backend.
 */
export async function preparePodnet(environment: NodeEnvironment, stack: AsyncDisposableStack): Promise<Podnet | null> {
  const { options, paths, progress, clock, client, informers } = environment;
  const name = options.flannelBackend;
  const folder = podnetFolder(paths);
  if (name === 'none') {
    // What an earlier start with another backend left.
    await removePodnet(podNetworkTable, { folder, clock, log: environment.log });
    progress.report(component, 'running', 'left to an add-on (--flannel-backend=none)');
    return null;
  }
  const log = environment.log.child({ room: 'podnet' });
  const events = stack.use(createEventRecorder({ client, clock, log, component: 'flannel', host: options.nodeName }));
  return await progress.step(
    component,
    async () => {
      const podnet = new Podnet({
        ...{ client, informers, events, clock, log },
        nodeName: options.nodeName,
        backend: backendOf(name, await readNetConf(options.flannelConf)),
        clusterCidrs: options.clusterCidrs,
        nodeIps: options.nodeIps,
        publicIps: options.flannelExternalIp ? options.nodeExternalIps : [],
        iface: options.flannelIface,
        masqueradeIpv6: options.flannelIpv6Masq,
        identity: environment.identity,
        folder,
        table: podNetworkTable,
        onStatus: ({ problem, summary }) =>
          progress.report(component, problem === null ? 'running' : 'failed', problem ?? summary),
      });
      await podnet.prepare();
      return stack.use(podnet);
    },
    () => name,
  );
}

async function readNetConf(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  return await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new WherryError('FLANNEL_CONF', `--flannel-conf: ${file} can't be read: ${describeError(cause)}`, {
      cause,
      hint: 'give the path of a net-conf.json',
    });
  });
}
