/** Where a group stands among the groups, and a version among the versions of its group: higher is shown first. */
export interface Priority {
  readonly group: number;
  readonly version: number;
}

// group, priority of the group, then its versions with theirs; a version without a number has 15.
const builtin = `
 18000 v1=1
admissionregistration.k8s.io 16700 v1
apiextensions.k8s.io 16700 v1
apps 17800 v1
authentication.k8s.io 17700 v1
authorization.k8s.io 17600 v1
autoscaling 17500 v1 v2=30
batch 17400 v1
certificates.k8s.io 17300 v1
coordination.k8s.io 16500 v1
discovery.k8s.io 16200 v1
events.k8s.io 17750 v1
flowcontrol.apiserver.k8s.io 16100 v1=21
networking.k8s.io 17200 v1
node.k8s.io 16300 v1
policy 17100 v1
rbac.authorization.k8s.io 17000 v1
resource.k8s.io 16200 v1=21
scheduling.k8s.io 16600 v1
storage.k8s.io 16800 v1
apiregistration.k8s.io 20000 v1=18
metrics.k8s.io 100 v1beta1=100
`;

const priorities = new Map<string, Priority>();
for (const line of builtin.split('\n')) {
  const [group = '', groupPriority, ...versions] = line.split(' ');
  for (const text of versions) {
    const [version, priority = '15'] = text.split('=');
    priorities.set(`${group}/${version}`, { group: Number(groupPriority), version: Number(priority) });
  }
}

const ofCustomResources: Priority = { group: 1000, version: 100 };

/** The priority of a group version (kube-aggregator's table for the built-in ones). */
export function priorityOf(group: string, version: string): Priority {
  return priorities.get(`${group}/${version}`) ?? ofCustomResources;
}
