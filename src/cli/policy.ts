import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import { systemClock } from '../core/clock.ts';
import { describeError, WherryError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { namespaces, networkpolicies, nodes, pods } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { clusternetworkpolicies } from '../network/policy/cluster-network-policy.ts';
import type { ClusterState } from '../network/policy/cluster-state.ts';
import { type DeniedRecord, describeDenied } from '../network/policy/denied.ts';
import { explain } from '../network/policy/explain.ts';
import { openAdminAccess, withServer } from '../server/admin-access.ts';
import { addDataDir } from './options.ts';
import { requireRoot } from './root.ts';

/** How often nodes are asked again with --follow. */
const followMs = 1_000;

interface Common {
  readonly dataDir: string;
  readonly kubeconfig?: string;
  readonly namespace?: string;
}

/** `wherry policy`: what NetworkPolicies and ClusterNetworkPolicies do. */
export function addPolicy(program: Command): void {
  const policy = program.command('policy').description('explain network policies, and show what they deny');
  addCommon(policy.command('explain').description('say which rules decide on a connection; status 1 when it is denied'))
    .argument('<from>', 'POD, NAMESPACE/POD, an address, or the name of a node')
    .argument('<to>', 'the same')
    .argument('<port>', 'a number or the name of a port, with /UDP or /SCTP unless it is TCP')
    .action(async (from: string, to: string, port: string, given: Common) => {
      const allowed = await withAccess(given, async (client) => {
        const namespace = given.namespace ?? 'default';
        return explain(await readState(client), { from, to, port, namespace }).map(printExplanation);
      });
      process.exitCode = allowed.every((one) => one) ? 0 : 1;
    });
  addCommon(policy.command('denied').description('show connections that policies have denied, from all nodes'))
    .argument('[pod]', 'only those of this pod')
    .option('-f, --follow', 'go on as more are denied')
    .option('-o, --output <format>', 'text, or json: an object a line', 'text')
    .action(async (pod: string | undefined, given: Common & { follow?: boolean; output: string }) => {
      if (given.output !== 'text' && given.output !== 'json') {
        throw new WherryError('INVALID_OPTION', `--output: ${JSON.stringify(given.output)} is not known`, {
          hint: 'use text or json',
        });
      }
      await withAccess(given, (client) => showDenied(client, pod, given));
    });
}

function addCommon(command: Command): Command {
  return addDataDir(command)
    .option('--kubeconfig <file>', "the administrator's kubeconfig (default: that of DATA-DIR)")
    .option('-n, --namespace <name>', 'of pods that are named without one');
}

async function withAccess<T>(given: Common, run: (client: Client) => Promise<T>): Promise<T> {
  if (given.kubeconfig === undefined) requireRoot('policy');
  using access = await openAdminAccess(given.dataDir, given.kubeconfig);
  return await withServer(() => run(access.client));
}

async function readState(client: Client): Promise<ClusterState> {
  const [policies, clusterPolicies, allNamespaces, allPods, allNodes] = await Promise.all([
    client.list(networkpolicies),
    // A cluster whose policies are not Wherry's may not have them.
    client.list(clusternetworkpolicies).catch((error: unknown) => {
      if (isReason(error, 'NotFound')) return { items: [] };
      throw error;
    }),
    client.list(namespaces),
    client.list(pods),
    client.list(nodes),
  ]);
  return {
    networkPolicies: policies.items,
    clusterPolicies: clusterPolicies.items,
    namespaces: allNamespaces.items,
    pods: allPods.items,
    nodes: allNodes.items,
  };
}

function printExplanation({ from, to, port, allowed, egress, ingress }: ReturnType<typeof explain>[number]): boolean {
  const lines = [`${from} -> ${to} port ${port}: ${allowed ? 'allowed' : 'DENIED'}`];
  for (const [end, decision] of [
    [`egress of ${from}`, egress],
    [`ingress of ${to}`, ingress],
  ] as const) {
    const verdict =
      decision === null ? 'no pod, so no policy' : `${decision.allowed ? 'allowed' : 'DENIED'}: ${decision.reason}`;
    lines.push(`  ${end}: ${verdict}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
  return allowed;
}

async function showDenied(
  client: Client,
  pod: string | undefined,
  given: Common & { follow?: boolean; output: string },
): Promise<void> {
  const last = new Map<string, number>();
  const silent = new Set<string>();
  do {
    const { items } = await client.list(nodes);
    const names = items.map(({ metadata }) => metadata.name ?? '');
    const answers = await Promise.all(
      names.map(async (name) => {
        try {
          const records = await readDenied(client, name, last.get(name) ?? 0);
          silent.delete(name);
          return records;
        } catch (error) {
          if (!silent.has(name)) process.stderr.write(`node ${name} does not answer: ${describeError(error)}\n`);
          silent.add(name);
          return [];
        }
      }),
    );
    const records = answers
      .flat()
      .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.sequence - b.sequence));
    for (const record of records) {
      last.set(record.node, Math.max(last.get(record.node) ?? 0, record.sequence));
      if (isWanted(record, pod, given.namespace)) process.stdout.write(`${lineOf(record, given.output)}\n`);
    }
    if (given.follow) await systemClock.sleep(followMs);
  } while (given.follow);
}

async function readDenied(client: Client, node: string, since: number): Promise<readonly DeniedRecord[]> {
  const answer = await client.raw(`/api/v1/nodes/${node}/proxy/networkPolicyDenied?since=${since}`);
  const items: unknown = isObject(answer) ? answer['items'] : undefined;
  if (!Array.isArray(items)) throw new WherryError('NO_DENIED_LOG', 'it keeps no record of what policies deny');
  const records = items.filter(isRecord);
  // A node that was started again counts from the beginning.
  return records.length === 0 && since > 0 && isObject(answer) && Number(answer['last']) < since
    ? await readDenied(client, node, 0)
    : records;
}

function isRecord(value: unknown): value is DeniedRecord {
  return isObject(value) && typeof value['sequence'] === 'number' && typeof value['reason'] === 'string';
}

function isWanted(record: DeniedRecord, pod: string | undefined, namespace: string | undefined): boolean {
  const [name = '', space = namespace] = (pod ?? '').split('/').reverse();
  if (space !== undefined && record.namespace !== space) return false;
  return name === '' || record.pod === name;
}

function lineOf(record: DeniedRecord, output: string): string {
  if (output === 'json') return JSON.stringify(record);
  const { time, node, namespace, pod, packets } = record;
  return `${time} ${node} ${namespace}/${pod}: ${describeDenied(record)} (${packets} ${packets === 1 ? 'packet' : 'packets'})`;
}
