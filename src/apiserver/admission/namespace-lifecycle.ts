import { namespaces } from '../../kube/resources.gen.ts';
import { StatusError } from '../../kube/status-error.ts';
import { forbidden, notFound } from '../errors.ts';
import type { ClusterReader } from '../reader.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { isAbout, refuse } from './target.ts';

const immortal = new Set(['default', 'kube-system', 'kube-public']);

/** Nothing is created in a namespace that isn't there or is ending, and the system's namespaces stay. */
export class NamespaceLifecycle implements AdmissionPlugin {
  readonly name = 'NamespaceLifecycle';
  private readonly reader: ClusterReader;

  constructor(reader: ClusterReader) {
    this.reader = reader;
  }

  handles(request: AdmissionRequest): boolean {
    return request.operation !== 'CONNECT';
  }

  async admit(request: AdmissionRequest): Promise<void> {
    const { operation, info } = request;
    if (isAbout(request, namespaces)) {
      if (operation !== 'DELETE' || !immortal.has(info.name)) return;
      throw forbidden(namespaces, info.name, 'this namespace may not be deleted');
    }
    const { namespace } = info;
    if (info.resource === 'namespaces' || namespace === '' || operation === 'DELETE') return;
    if (info.resource === 'localsubjectaccessreviews') return;
    const standing = this.reader.get(namespaces, { name: namespace });
    if (standing === undefined) throw notFound(namespaces, namespace);
    if (operation !== 'CREATE') return;
    const isEnding = standing.status?.phase === 'Terminating' || standing.metadata.deletionTimestamp !== undefined;
    if (isEnding) throw ending(request, namespace);
  }
}

function ending(request: AdmissionRequest, namespace: string): StatusError {
  const { status } = refuse(
    request,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const message = `namespace ${namespace} is being terminated`;
  const causes = [{ reason: 'NamespaceTerminating', message, field: 'metadata.namespace' }];
  return new StatusError({ ...status, details: { ...status.details, causes } });
}
