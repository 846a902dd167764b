import { createHash } from 'node:crypto';
import { keyOf, parseKey } from '../../kube/resource.ts';
import { isReason } from '../../kube/status-error.ts';
import type { ControllerContext } from '../../runtime/controller.ts';
import { metallbNamespace, serviceL2Statuses } from '../metallb/kinds.ts';
import type { ServiceL2Status } from '../metallb/types.ts';

const nodeLabel = 'metallb.io/node';

/** What this node answers for: interfaces by the Service's key. */
export type AnnouncedServices = ReadonlyMap<string, readonly string[]>;

/**
 * Makes the ServiceL2Statuses of this node say what it announces, and takes away those that a dead node could not take away
 * itself, of Services that this node announces now.
 */
export async function showStatuses(
  announced: AnnouncedServices,
  { nodeName, isAlive }: { readonly nodeName: string; isAlive(node: string): boolean },
  { client, informers }: ControllerContext,
): Promise<void> {
  const wanted = new Map([...announced].map(([key, interfaces]) => [statusName(key, nodeName), { key, interfaces }]));
  const standing = informers.of(serviceL2Statuses).list(metallbNamespace);
  for (const object of standing) {
    const { node = '', serviceName, serviceNamespace } = object.status ?? {};
    const name = object.metadata.name ?? '';
    const isOwn = (object.metadata.labels?.[nodeLabel] ?? node) === nodeName;
    const isStale = isOwn ? !wanted.has(name) : announced.has(`${serviceNamespace}/${serviceName}`) && !isAlive(node);
    if (isStale) await ignoring('NotFound', client.delete(serviceL2Statuses, parseKey(keyOf(object))));
  }
  for (const [name, { key, interfaces }] of wanted) {
    const { namespace: serviceNamespace = '', name: serviceName } = parseKey(key);
    const status = {
      node: nodeName,
      serviceName,
      serviceNamespace,
      interfaces: interfaces.map((one) => ({ name: one })),
    };
    const found = standing.find(({ metadata }) => metadata.name === name);
    if (found !== undefined && isSame(found.status, status)) continue;
    if (found === undefined) {
      const labels = {
        [nodeLabel]: nodeName,
        'metallb.io/service-name': serviceName,
        'metallb.io/service-namespace': serviceNamespace,
      };
      await ignoring(
        'AlreadyExists',
        client.create(serviceL2Statuses, {
          apiVersion: 'metallb.io/v1beta1',
          kind: 'ServiceL2Status',
          metadata: { name, namespace: metallbNamespace, labels },
        }),
      );
    }
    const body = { status };
    await client.patch(
      serviceL2Statuses,
      { namespace: metallbNamespace, name },
      { type: 'merge', body },
      { subresource: 'status' },
    );
  }
}

/** The same after every start, so that a node finds its own. */
function statusName(key: string, nodeName: string): string {
  return `l2-${createHash('sha256').update(`${key} ${nodeName}`).digest('hex').slice(0, 10)}`;
}

function isSame(a: ServiceL2Status['status'], b: NonNullable<ServiceL2Status['status']>): boolean {
  const names = (status: ServiceL2Status['status']) => (status?.interfaces ?? []).map(({ name }) => name).join(' ');
  return (
    a?.node === b.node &&
    a?.serviceName === b.serviceName &&
    a?.serviceNamespace === b.serviceNamespace &&
    names(a) === names(b)
  );
}

async function ignoring(reason: string, call: Promise<unknown>): Promise<void> {
  await call.catch((error: unknown) => {
    if (!isReason(error, reason)) throw error;
  });
}
