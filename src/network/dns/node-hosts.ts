import { configmaps, nodes } from '../../kube/resources.gen.ts';
import type { ConfigMap, Node } from '../../kube/types.gen.ts';
import { type Controller, done, watchOf } from '../../runtime/controller.ts';
import { nodeHostsKey } from './custom-config-feed.ts';

const key = { namespace: 'kube-system', name: 'coredns' };
const only = { namespace: key.namespace, fieldSelector: `metadata.name=${key.name}` };
/** Which names of the key are nodes': lines that users wrote beside them are theirs. */
const writtenNames = 'wherry.dev/node-hosts';

/** What the ConfigMap must hold; null when it does. Pure. */
export function planNodeHosts(
  all: readonly Node[],
  current: ConfigMap | undefined,
): Pick<ConfigMap, 'data' | 'metadata'> | null {
  const lines = all
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .flatMap(({ metadata, status }) =>
      (status?.addresses ?? [])
        .filter(({ type }) => type === 'InternalIP')
        .map(({ address }) => ({ address, name: metadata.name ?? '' })),
    )
    .sort((a, b) => (a.name === b.name ? 0 : a.name < b.name ? -1 : 1));
  const names = [...new Set(lines.map(({ name }) => name))].join(',');
  const before = current?.data?.[nodeHostsKey] ?? '';
  const written = new Set((current?.metadata.annotations?.[writtenNames] ?? '').split(','));
  const ofUsers = before.split('\n').filter((line) => {
    const [, name = '', ...more] = line.trim().split(/\s+/);
    return line.trim() !== '' && (more.length > 0 || !written.has(name));
  });
  const text = [...lines.map(({ address, name }) => `${address} ${name}`), ...ofUsers]
    .map((line) => `${line}\n`)
    .join('');
  if (current !== undefined && text === before && current.metadata.annotations?.[writtenNames] === names) return null;
  return { metadata: { ...key, annotations: { [writtenNames]: names } }, data: { [nodeHostsKey]: text } };
}

/** Writes what the nodes are called into the ConfigMap from which the DNS of each node answers, as k3s does. */
export const nodeHostsController: Controller = {
  name: 'coredns',
  watches: [watchOf(nodes, () => [key.name]), watchOf(configmaps, () => [key.name], only)],
  async reconcile(_, { informers, client }) {
    const current = informers.of(configmaps, only).get(`${key.namespace}/${key.name}`);
    const wanted = planNodeHosts(informers.of(nodes).list(), current);
    if (wanted === null) return done;
    if (current === undefined) await client.create(configmaps, { apiVersion: 'v1', kind: 'ConfigMap', ...wanted });
    else {
      const { metadata, data } = wanted;
      const { resourceVersion } = current.metadata;
      // Against the state that was looked at, so that no line of a user is lost.
      await client.patch(configmaps, key, {
        type: 'merge',
        body: {
          metadata: {
            annotations: metadata.annotations ?? {},
            ...(resourceVersion === undefined ? {} : { resourceVersion }),
          },
          data: data ?? {},
        },
      });
    }
    return done;
  },
};
