import { apiVersionOf, type Resource } from './resource.ts';

/** Kinds whose field selectors go beyond name and namespace, how they refuse others, and what they accept. */
interface FieldLabels {
  readonly labels: readonly string[];
  readonly refusal?: (label: string, resource: Resource) => string;
}

const byKind: Readonly<Record<string, FieldLabels>> = {
  'v1/Pod': {
    labels: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'spec.hostNetwork',
      'status.phase',
      'status.podIP',
      'status.podIPs',
      'status.nominatedNodeName',
    ],
  },
  'v1/Node': { labels: ['spec.unschedulable'] },
  'v1/Namespace': { labels: ['status.phase'] },
  'v1/Secret': { labels: ['type'] },
  'v1/Service': { labels: ['spec.clusterIP', 'spec.type'] },
  'v1/ReplicationController': { labels: ['status.replicas'] },
  'v1/Event': {
    labels: [
      ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
        (field) => `involvedObject.${field}`,
      ),
      ...['reason', 'reportingComponent', 'source', 'type'],
    ],
  },
  'events.k8s.io/v1/Event': {
    labels: [
      ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
        (field) => `regarding.${field}`,
      ),
      ...['reason', 'reportingController', 'type'],
    ],
  },
  'batch/v1/Job': {
    labels: ['status.successful'],
    refusal: (label) => `field label ${JSON.stringify(label)} not supported for Job`,
  },
  'certificates.k8s.io/v1/CertificateSigningRequest': { labels: ['spec.signerName'] },
  'resource.k8s.io/v1/ResourceSlice': {
    labels: ['spec.driver', 'spec.nodeName'],
    refusal: (label, resource) =>
      `field label not supported for ${apiVersionOf(resource)}, Kind=${resource.kind}: ${label}`,
  },
};

/** Why a field selector of a built-in kind can't name `label`; undefined when it can. The text of a 400. */
export function fieldLabelError(resource: Resource, label: string): string | undefined {
  if (label === 'metadata.name' || (label === 'metadata.namespace' && resource.namespaced)) return undefined;
  const known = byKind[`${apiVersionOf(resource)}/${resource.kind}`];
  if (known?.labels.includes(label)) return undefined;
  if (known !== undefined) return known.refusal?.(label, resource) ?? `field label not supported: ${label}`;
  if (label === 'metadata.namespace') return undefined;
  return `${JSON.stringify(label)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}

/** The same for a custom resource, whose definition lists the fields that selectors may name. */
export function customFieldLabelError(selectable: readonly string[], label: string): string | undefined {
  if (label === 'metadata.name' || label === 'metadata.namespace' || selectable.includes(label)) return undefined;
  return `field label not supported: ${label}`;
}
