import { describeError, WherryError } from '../core/errors.ts';
import type { Node, Pod } from '../kube/types.gen.ts';
import { DeniedLog } from '../network/policy/denied.ts';
import { PolicyEnforcer, removePolicyRules } from '../network/policy/enforcer.ts';
import { createEventRecorder } from '../runtime/event-recorder.ts';
import { policyTable } from './names.ts';
import type { NodeEnvironment } from './node.ts';

const component = 'Network policy';

/** What joins the node's pods with the policies about them. */
export interface NodePolicy {
  /** For the node agent: resolves when a pod's policies are in force for its addresses. */
  admit(pod: Pod, addresses: readonly string[], signal: AbortSignal): Promise<void>;
  /** Brings the policies into force; pods that start meanwhile wait for it. */
  start(node: Node): Promise<void>;
  /** What the node's HTTP API tells. */
  readonly pages: Readonly<Record<string, (query: URLSearchParams) => Promise<unknown>>>;
}

/** Policies as the options say; with --disable-network-policy rules of an earlier start go. */
export function prepareNetworkPolicy(environment: NodeEnvironment, stack: AsyncDisposableStack): NodePolicy {
  const { options, progress } = environment;
  if (options.disableNetworkPolicy) {
    return {
      admit: async () => {},
      async start() {
        await removePolicyRules(policyTable);
        progress.report(component, 'running', 'not enforced (--disable-network-policy)');
      },
      pages: { networkPolicyDenied: async () => ({ items: [], last: 0 }) },
    };
  }
  const ready = Promise.withResolvers<{ readonly enforcer: PolicyEnforcer; readonly denied: DeniedLog }>();
  ready.promise.catch(() => {});
  return {
    async admit(pod, addresses, signal) {
      await abortable(
        ready.promise.then(({ enforcer }) => enforcer.admit(pod, addresses)),
        signal,
      );
    },
    async start(node) {
      try {
        ready.resolve(await progress.step(component, () => startEnforcing(environment, node, stack)));
      } catch (error) {
        ready.reject(error);
        throw error;
      }
    },
    pages: {
      async networkPolicyDenied(query) {
        const { denied } = await ready.promise;
        const items = await denied.read(Number(query.get('since') ?? 0));
        return { items, last: denied.last };
      },
    },
  };
}

async function startEnforcing(
  environment: NodeEnvironment,
  node: Node,
  stack: AsyncDisposableStack,
): Promise<{ readonly enforcer: PolicyEnforcer; readonly denied: DeniedLog }> {
  const { options, progress, client, informers, clock } = environment;
  const { nodeName, clusterCidrs } = options;
  const log = environment.log.child({ room: 'policy' });
  const { podCIDR, podCIDRs } = node.spec ?? {};
  const enforcer = new PolicyEnforcer({
    informers,
    clock,
    log,
    nodeName,
    ownRanges: podCIDRs ?? (podCIDR === undefined ? [] : [podCIDR]),
    clusterCidrs,
    dns: options.disable.includes('coredns') ? [] : options.clusterDns,
    table: policyTable,
    onStatus: (problem) => progress.report(component, problem === null ? 'running' : 'failed', problem ?? 'ready'),
  });
  stack.use(enforcer);
  await enforcer.start().catch((cause: unknown) => {
    throw new WherryError('POLICY_RULES', `the kernel refuses the rules of policies: ${describeError(cause)}`, {
      cause,
      hint: 'use a kernel with CONFIG_NF_TABLES_INET, CONFIG_NFT_CT and CONFIG_NF_CONNTRACK_MARK, or start with --disable-network-policy',
    });
  });
  const events = stack.use(createEventRecorder({ client, clock, log, component: 'network-policy', host: nodeName }));
  const denied = new DeniedLog({
    ...{ feed: enforcer.feed, events, clock, log, nodeName, table: policyTable },
    families: [...new Set(clusterCidrs.map((cidr) => (cidr.includes(':') ? 6 : 4)))],
  });
  stack.use(denied);
  denied.start();
  return { enforcer, denied };
}

/** The promise, or the signal's reason when it aborts first. */
async function abortable(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    if (signal.aborted) abort();
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
    aborted.promise.catch(() => {});
  }
}
