import { findCondition } from '../kube/conditions.ts';
import type { Node } from '../kube/types.gen.ts';

const remedies: Readonly<Record<string, string>> = {
  DiskPressure: 'less than a tenth of the disk under the data directory is free: remove files or unused images',
  MemoryPressure: 'less than 100 MiB of memory is available: end what uses it',
  PIDPressure: 'nearly all process numbers are in use: end what started so many',
};

/** What is wrong with a node, for a person; null when nothing is. Pure. */
export function nodeProblem(node: Node): string | null {
  const { conditions } = node.status ?? {};
  const ready = findCondition(conditions, 'Ready');
  if (ready?.status !== 'True') return `${node.metadata.name} is not Ready: ${ready?.message ?? 'it has not reported'}`;
  const pressures = Object.keys(remedies).filter((type) => findCondition(conditions, type)?.status === 'True');
  if (pressures.length === 0) return null;
  return `${node.metadata.name} has ${pressures.map((type) => `${type} (${remedies[type]})`).join(' and ')}`;
}
