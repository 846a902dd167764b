import type { Draft } from '../../kube/draft.ts';
import { goQuote } from '../../kube/go-json.ts';
import { pods, serviceaccounts } from '../../kube/resources.gen.ts';
import type { Container, EphemeralContainer, Pod, PodSpec, ServiceAccount, Volume } from '../../kube/types.gen.ts';
import { defaultVolumeSeconds } from '../authn/token-request.ts';
import { podReferences } from '../authz/pod-references.ts';
import type { ClusterReader } from '../reader.ts';
import { generateName } from '../registry/names.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { isAbout, isMirror, newState, refuse } from './target.ts';

/** Where containers find their token. */
export const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const volumePrefix = 'kube-api-access-';
const enforceAnnotation = 'kubernetes.io/enforce-mountable-secrets';

/** Every pod runs as a service account: gives it the default one, the volume with its token, and its pull secrets. */
export class ServiceAccountAdmission implements AdmissionPlugin {
  readonly name = 'ServiceAccount';
  private readonly reader: ClusterReader;

  constructor(reader: ClusterReader) {
    this.reader = reader;
  }

  handles(request: AdmissionRequest): boolean {
    if (request.operation === 'CREATE') return isAbout(request, pods);
    return request.operation === 'UPDATE' && isAbout(request, pods, 'ephemeralcontainers');
  }

  async admit(request: AdmissionRequest): Promise<void> {
    const pod = newState(request, pods);
    if (pod === null || request.operation !== 'CREATE' || isMirror(pod)) return;
    const spec: Draft<PodSpec> = pod.spec ?? { containers: [] };
    const name = spec.serviceAccountName || 'default';
    spec.serviceAccountName = name;
    // The old name of the same field: clients of both read what they know.
    spec.serviceAccount = name;
    const account = this.account(request, name);
    if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec);
    const own = spec.imagePullSecrets ?? [];
    const given = account.imagePullSecrets ?? [];
    if (own.length === 0 && given.length > 0) spec.imagePullSecrets = given.map((secret) => ({ ...secret }));
  }

  async validate(request: AdmissionRequest): Promise<void> {
    const pod = newState(request, pods);
    if (pod === null) return;
    if (isMirror(pod)) this.validateMirror(request, pod);
    else this.validateSecrets(request, pod);
  }

  private validateSecrets(request: AdmissionRequest, pod: Pod): void {
    const name = pod.spec?.serviceAccountName ?? '';
    if (name === '') {
      throw refuse(request, `no service account specified for pod ${pod.metadata.namespace}/${pod.metadata.name}`);
    }
    const account = this.account(request, name);
    if (!isTrue(account.metadata.annotations?.[enforceAnnotation])) return;
    const why = forbiddenSecret(pod, account, request.operation === 'UPDATE');
    if (why !== undefined) throw refuse(request, why);
  }

  private validateMirror(request: AdmissionRequest, pod: Pod): void {
    if ((pod.spec?.serviceAccountName ?? '') !== '')
      throw refuse(request, 'a mirror pod may not reference service accounts');
    if (podReferences(pod).secrets.size > 0) throw refuse(request, 'a mirror pod may not reference secrets');
    const projected = (pod.spec?.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? []);
    if (!projected.some((source) => source.serviceAccountToken !== undefined)) return;
    throw refuse(request, 'a mirror pod may not use ServiceAccountToken volume projections');
  }

  private account(request: AdmissionRequest, name: string): ServiceAccount {
    const { namespace } = request.info;
    const account = this.reader.get(serviceaccounts, { namespace, name });
    if (account !== undefined) return account;
    throw refuse(
      request,
      `error looking up service account ${namespace}/${name}: serviceaccount ${goQuote(name)} not found`,
    );
  }
}

function mountToken(spec: Draft<PodSpec>): void {
  const standing = spec.volumes?.find((volume) => volume.name.startsWith(volumePrefix))?.name;
  const name = standing ?? generateName(volumePrefix);
  let isNeeded = false;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const mounts = container.volumeMounts ?? [];
    if (mounts.some((mount) => mount.mountPath === tokenMountPath)) continue;
    container.volumeMounts = [...mounts, { name, readOnly: true, mountPath: tokenMountPath }];
    isNeeded = true;
  }
  if (isNeeded && standing === undefined) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

function tokenVolume(name: string): Draft<Volume> {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: defaultVolumeSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 0o644,
    },
  };
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text);
}

/** Why a pod may not use a secret that its account doesn't list; undefined when it uses none such. */
function forbiddenSecret(pod: Pod, account: ServiceAccount, onlyEphemeral: boolean): string | undefined {
  const { name } = account.metadata;
  const listed = new Set((account.secrets ?? []).map((secret) => secret.name));
  const because = `is not allowed because service account ${name} does not reference that`;
  const { spec } = pod;
  if (spec === undefined) return undefined;
  const inContainers = (kind: string, containers: readonly (Container | EphemeralContainer)[] | undefined) => {
    for (const { name: container, env = [], envFrom = [] } of containers ?? []) {
      for (const { name: variable, valueFrom } of env) {
        const secret = valueFrom?.secretKeyRef?.name;
        if (secret === undefined || listed.has(secret)) continue;
        return `${kind} ${container} with envVar ${variable} referencing secret.secretName="${secret}" ${because} secret`;
      }
      for (const { secretRef } of envFrom) {
        const secret = secretRef?.name;
        if (secret === undefined || listed.has(secret)) continue;
        return `${kind} ${container} with envFrom referencing secret.secretName="${secret}" ${because} secret`;
      }
    }
    return undefined;
  };
  const inEphemeral = inContainers('ephemeral container', spec.ephemeralContainers);
  if (onlyEphemeral) return inEphemeral;
  for (const volume of spec.volumes ?? []) {
    const secret = volume.secret?.secretName;
    if (secret !== undefined && !listed.has(secret))
      return `volume with secret.secretName="${secret}" ${because} secret`;
  }
  const inOthers =
    inContainers('init container', spec.initContainers) ?? inContainers('container', spec.containers) ?? inEphemeral;
  if (inOthers !== undefined) return inOthers;
  const pullSecrets = new Set((account.imagePullSecrets ?? []).map((secret) => secret.name));
  for (const [index, { name: secret = '' }] of (spec.imagePullSecrets ?? []).entries()) {
    if (!pullSecrets.has(secret)) return `imagePullSecrets[${index}].name="${secret}" ${because} imagePullSecret`;
  }
  return undefined;
}
