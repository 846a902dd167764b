import { isObject } from '../../core/json.ts';
import { nodes, pods } from '../../kube/resources.gen.ts';
import type { ClusterReader } from '../reader.ts';
import type { AdmissionPlugin } from '../request.ts';
import { isAbout } from './target.ts';

const labels = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'];

/** A pod learns from the binding where its node stands: the labels are copied to the pod when it is bound (KEP-4742). */
export function podTopologyLabels(reader: ClusterReader): AdmissionPlugin {
  return {
    name: 'PodTopologyLabels',
    handles: (request) =>
      request.operation === 'CREATE' && (isAbout(request, pods, 'binding') || request.info.resource === 'bindings'),
    async admit({ object }) {
      const target = object?.['target'];
      if (object === null || !isObject(target) || typeof target['name'] !== 'string') return;
      if (target['kind'] !== undefined && target['kind'] !== '' && target['kind'] !== 'Node') return;
      const standing = reader.get(nodes, { name: target['name'] })?.metadata.labels ?? {};
      const copied = labels.flatMap((key) => (standing[key] === undefined ? [] : [[key, standing[key]] as const]));
      if (copied.length === 0) return;
      const metadata = isObject(object['metadata']) ? object['metadata'] : {};
      const own = isObject(metadata['labels']) ? metadata['labels'] : {};
      object['metadata'] = { ...metadata, labels: { ...own, ...Object.fromEntries(copied) } };
    },
  };
}
