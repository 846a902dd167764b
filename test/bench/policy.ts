/** Time from a policy's creation, as the node sees it, until the kernel enforces it, with many policies and pods. */
import path from 'node:path';
import process from 'node:process';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { runInForeground } from '../../src/engines/process/background.ts';
import { run } from '../../src/engines/process/run.ts';
import { namespaces, networkpolicies, pods } from '../../src/kube/resources.gen.ts';
import type { Namespace, NetworkPolicy, Pod } from '../../src/kube/types.gen.ts';
import { PolicyEnforcer } from '../../src/network/policy/enforcer.ts';
import { MemoryInformers } from '../component/policy/memory-informers.ts';
import { report } from './report.ts';

const podCount = 1_000;
const policyCount = 1_000;
const namespaceCount = 20;
const rounds = 15;
const inside = '--inside';

if (process.argv[2] === inside) await measure();
else {
  // The rules go into a network namespace of their own.
  const name = `bench-policy-${process.pid}`;
  await run('ip', ['netns', 'add', name]);
  try {
    const file = path.join(import.meta.dirname, 'policy.ts');
    const args = ['netns', 'exec', name, process.execPath, ...process.execArgv, file, inside];
    process.exitCode = await runInForeground('ip', args, process.env);
  } finally {
    await run('ip', ['netns', 'delete', name]);
  }
}

async function measure(): Promise<void> {
  const informers = new MemoryInformers();
  informers.of(namespaces).replace(Array.from({ length: namespaceCount }, (_, index) => namespaceOf(index)));
  const allPods = Array.from({ length: podCount }, (_, index) => podOf(index));
  const policies = Array.from({ length: policyCount }, (_, index) => policyOf(index));
  informers.of(pods).replace(allPods);
  informers.of(networkpolicies).replace(policies);
  await using enforcer = new PolicyEnforcer({
    informers,
    clock: systemClock,
    log: silentLog,
    nodeName: 'node-0',
    ownRanges: ['10.42.0.0/18'],
    clusterCidrs: ['10.42.0.0/16'],
    dns: [],
    table: 'wherry-policy',
  });
  const began = performance.now();
  await enforcer.start();
  report(`policy: ${policyCount} policies and ${podCount} pods from nothing`, ' ms', [performance.now() - began]);
  const timed = async (change: () => void) => {
    const start = performance.now();
    change();
    await enforcer.settled();
    return performance.now() - start;
  };
  const added: number[] = [];
  const removed: number[] = [];
  const moved: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const more = [...policies, policyOf(policyCount + round)];
    added.push(await timed(() => informers.of(networkpolicies).replace(more)));
    removed.push(await timed(() => informers.of(networkpolicies).replace(policies)));
    const other = [...allPods.slice(1), podOf(podCount + round)];
    moved.push(await timed(() => informers.of(pods).replace(other)));
    await timed(() => informers.of(pods).replace(allPods));
  }
  report(`policy: one more policy beside ${policyCount}, with ${podCount} pods`, ' ms', added);
  report('policy: one policy less', ' ms', removed);
  report('policy: one pod goes and one comes', ' ms', moved);
}

function namespaceOf(index: number): Namespace {
  const name = `ns-${index}`;
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, uid: name, labels: { 'kubernetes.io/metadata.name': name, team: `team-${index % 5}` } },
  };
}

function podOf(index: number): Pod {
  const name = `pod-${index}`;
  const podIP = `10.42.${Math.floor(index / 250)}.${(index % 250) + 2}`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      uid: name,
      namespace: `ns-${index % namespaceCount}`,
      labels: { app: `app-${Math.floor(index / namespaceCount) % 10}`, tier: index % 2 === 0 ? 'front' : 'back' },
    },
    spec: { nodeName: 'node-0', containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }] },
  };
}

/** Every kind of rule in turn; each is about some of a namespace's pods. */
function policyOf(index: number): NetworkPolicy {
  const app = (number: number) => ({ matchLabels: { app: `app-${number % 10}` } });
  const peers = [
    [{ podSelector: app(index + 1) }],
    [{ namespaceSelector: { matchLabels: { team: `team-${index % 5}` } }, podSelector: app(index + 2) }],
    [
      {
        ipBlock: { cidr: `172.${16 + (index % 16)}.0.0/16`, except: [`172.${16 + (index % 16)}.${index % 256}.0/24`] },
      },
    ],
  ][index % 3];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: `ns-${index % namespaceCount}`, name: `policy-${index}`, uid: `policy-${index}` },
    spec: {
      podSelector: app(Math.floor(index / namespaceCount)),
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: peers ?? [], ports: [{ port: 8000 + (index % 100) }, { port: 'http' }] }],
      egress: [{ to: peers ?? [] }, { ports: [{ protocol: 'UDP', port: 53 }] }],
    },
  };
}
