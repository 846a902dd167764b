import { duplicate, type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import type { CSIDriver, CSIDriverSpec, StorageV1TokenRequest } from '../../types.gen.ts';
import { type Errors, immutable, supportedValue } from '../common.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';

const tokenSecondsMin = 600;
const tokenSecondsMax = 2 ** 32;
const updatePeriodSecondsMin = 10;
const groupPolicies = ['File', 'None', 'ReadWriteOnceWithFSType'];
const lifecycleModes = ['Persistent', 'Ephemeral'];

export function validateCsiDriver({ spec }: CSIDriver): readonly FieldError[] {
  return [...specErrors(spec ?? {})];
}

export function validateCsiDriverUpdate({ metadata, spec = {} }: CSIDriver, old: CSIDriver): readonly FieldError[] {
  const { attachRequired, volumeLifecycleModes: modes } = spec;
  return [
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...immutable(attachRequired, old.spec?.attachRequired, 'spec.attachedRequired'),
    ...supportedValue(spec.fsGroupPolicy, groupPolicies, 'spec.fsGroupPolicy'),
    ...immutable(modes, old.spec?.volumeLifecycleModes, 'spec.volumeLifecycleModes', modes ?? null),
    ...tokenRequestsErrors(spec.tokenRequests ?? [], 'spec.tokenRequests'),
    ...updatePeriodErrors(spec),
    ...tokensInSecretsErrors(spec),
  ];
}

function* specErrors(spec: CSIDriverSpec): Errors {
  if (spec.attachRequired === undefined) yield required('spec.attachedRequired');
  if (spec.podInfoOnMount === undefined) yield required('spec.podInfoOnMount');
  if (spec.storageCapacity === undefined) yield required('spec.storageCapacity');
  yield* supportedValue(spec.fsGroupPolicy, groupPolicies, 'spec.fsGroupPolicy');
  yield* tokenRequestsErrors(spec.tokenRequests ?? [], 'spec.tokenRequests');
  for (const mode of spec.volumeLifecycleModes ?? []) {
    if (!lifecycleModes.includes(mode)) yield notSupported('spec.volumeLifecycleModes', mode, lifecycleModes);
  }
  yield* updatePeriodErrors(spec);
  yield* tokensInSecretsErrors(spec);
}

function* tokenRequestsErrors(requests: readonly StorageV1TokenRequest[], field: string): Errors {
  const audiences = new Set<string>();
  for (const [index, { audience = '', expirationSeconds: seconds }] of requests.entries()) {
    const path = `${field}[${index}]`;
    if (audiences.has(audience)) {
      yield duplicate(`${path}.audience`, audience);
      continue;
    }
    audiences.add(audience);
    if (seconds === undefined) continue;
    if (seconds < tokenSecondsMin) {
      yield invalid(`${path}.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes');
    }
    if (seconds > tokenSecondsMax) {
      yield invalid(`${path}.expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds');
    }
  }
}

function* updatePeriodErrors({ nodeAllocatableUpdatePeriodSeconds: seconds }: CSIDriverSpec): Errors {
  if (seconds !== undefined && seconds < updatePeriodSecondsMin) {
    const detail = `must be greater than or equal to ${updatePeriodSecondsMin} seconds`;
    yield invalid('spec.nodeAllocatableUpdatePeriodSeconds', seconds, detail);
  }
}

function* tokensInSecretsErrors({
  serviceAccountTokenInSecrets: inSecrets,
  tokenRequests = [],
}: CSIDriverSpec): Errors {
  if (inSecrets === undefined || tokenRequests.length > 0) return;
  const detail = 'serviceAccountTokenInSecrets is set but no tokenRequests are specified';
  yield invalid('spec.serviceAccountTokenInSecrets', inSecrets, detail);
}
