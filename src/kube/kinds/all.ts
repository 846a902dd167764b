import { WherryError } from '../../core/errors.ts';
import type { Kind } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { builtinResources } from '../resources.gen.ts';
import { accessKinds } from './access.ts';
import { clusterKinds } from './cluster.ts';
import { coreKinds } from './core.ts';
import { eventKind, eventsV1EventKind } from './events.ts';
import { extensionKinds } from './extensions.ts';
import { networkingKinds } from './networking.ts';
import { podKind } from './pods.ts';
import { serviceKind } from './services.ts';
import { storageKinds } from './storage.ts';
import { workloadKinds } from './workloads.ts';

const kinds: readonly Kind[] = [
  ...coreKinds,
  podKind,
  serviceKind,
  eventKind,
  eventsV1EventKind,
  ...workloadKinds,
  ...accessKinds,
  ...networkingKinds,
  ...storageKinds,
  ...extensionKinds,
  ...clusterKinds,
];

/** A resource that objects of can be kept; reviews, bindings and component statuses are answered without a store. */
export function isStored(resource: Resource): boolean {
  return resource.verbs.includes('create') && resource.verbs.includes('get');
}

function kindOfResource(resource: Resource): Kind {
  const kind = kinds.find((one) => one.resource === resource);
  if (kind === undefined)
    throw new WherryError('NO_KIND', `no kind is written for ${resource.plural} ${resource.group}`);
  return kind;
}

/** All built-in kinds that are stored, in the order of discovery. */
export const builtinKinds: readonly Kind[] = builtinResources.filter(isStored).map(kindOfResource);
