import type { Client } from '../client/client.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { WherryError } from '../core/errors.ts';
import { findCondition } from '../kube/conditions.ts';
import { customresourcedefinitions } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { CustomResourceDefinition } from '../kube/types.gen.ts';

/** Marks what Wherry has defined and may change; definitions of others with the same name are taken as they are. */
export const managedByLabel = { 'app.kubernetes.io/managed-by': 'wherry' } as const;

const fieldManager = 'wherry';
/** How long a definition may take until it is served. */
const establishedTimeoutMs = 10_000;
const lookAgainMs = 20;

/**
 * Defines the kinds that Wherry brings with it, or brings them to what this version says, and waits until they are
 * served. A user's own definition of a kind stays as it is. Throws WherryError KIND_NOT_SERVED with the server's reason.
 */
export async function ensureDefinitions(
  client: Client,
  definitions: readonly CustomResourceDefinition[],
  clock: Clock = systemClock,
): Promise<void> {
  await Promise.all(definitions.map((definition) => apply(client, definition)));
  for (const definition of definitions) await untilEstablished(client, definition.metadata.name ?? '', clock);
}

async function apply(client: Client, definition: CustomResourceDefinition): Promise<void> {
  const name = definition.metadata.name ?? '';
  const standing = await client.get(customresourcedefinitions, { name }).catch((error: unknown) => {
    if (isReason(error, 'NotFound')) return undefined;
    throw error;
  });
  const [label = '', value] = Object.entries(managedByLabel)[0] ?? [];
  if (standing !== undefined && standing.metadata.labels?.[label] !== value) return;
  const { metadata, ...rest } = definition;
  const body = { ...rest, metadata: { ...metadata, labels: { ...metadata.labels, ...managedByLabel } } };
  await client.patch(customresourcedefinitions, { name }, { type: 'apply', body }, { fieldManager, force: true });
}

async function untilEstablished(client: Client, name: string, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + establishedTimeoutMs;
  for (;;) {
    const { status } = await client.get(customresourcedefinitions, { name });
    const established = findCondition(status?.conditions, 'Established');
    if (established?.status === 'True') return;
    if (clock.monotonic() >= deadline) {
      const names = findCondition(status?.conditions, 'NamesAccepted');
      throw new WherryError(
        'KIND_NOT_SERVED',
        `the definition ${name} is not served: ${names?.message ?? established?.message ?? 'no reason given'}`,
        {
          hint: `look at it (kubectl describe crd ${name}); another definition may use its names`,
        },
      );
    }
    await clock.sleep(lookAgainMs);
  }
}
