import { isDeepStrictEqual } from 'node:util';
import { WherryError } from '../../core/errors.ts';
import { goQuote } from '../../kube/go-json.ts';
import { certificatesigningrequests } from '../../kube/resources.gen.ts';
import { systemMasters } from '../../kube/user.ts';
import { decodePem } from '../../wire/pem.ts';
import { type CertificateRequest, parseRequest } from '../../wire/x509.ts';
import type { SyncAuthorizer } from '../authz/authorizers.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { isAbout, newState, oldState, refuse } from './target.ts';

/** The request in a CertificateSigningRequest's spec (base64 of PEM). Throws WherryError when there is none. */
export function requestOf(base64: string): CertificateRequest {
  const block = decodePem(Buffer.from(base64, 'base64').toString('latin1')).find(
    ({ label }) => label === 'CERTIFICATE REQUEST' || label === 'NEW CERTIFICATE REQUEST',
  );
  if (block === undefined) throw new WherryError('BAD_PEM', 'PEM block type must be CERTIFICATE REQUEST');
  return parseRequest(block.der);
}

/** Whether the user holds a verb on a signer: by its name, or on all of its domain (`example.com/*`). */
function maySign(authorizer: SyncAuthorizer, request: AdmissionRequest, verb: string, signer: string): boolean {
  const target = { group: 'certificates.k8s.io', version: '*', resource: 'signers', subresource: '', namespace: '' };
  const ask = { user: request.user, verb, isResource: true, path: '', ...target };
  const domain = `${signer.split('/', 1)[0]}/*`;
  return authorizer.decide({ ...ask, name: signer }).allowed || authorizer.decide({ ...ask, name: domain }).allowed;
}

/** A request for a certificate says who asks for it; what the client wrote there doesn't count. */
export const certificateRequester: AdmissionPlugin = {
  name: 'CertificateRequester',
  handles: (request) => request.operation === 'CREATE' && isAbout(request, certificatesigningrequests),
  async admit(request) {
    const object = newState(request, certificatesigningrequests);
    if (object?.spec === undefined) return;
    const { username: _, uid: __, groups: ___, extra: ____, ...given } = object.spec;
    const { name, uid, groups, extra } = request.user;
    object.spec = {
      ...given,
      username: name,
      ...(uid && { uid }),
      ...(groups.length > 0 && { groups: [...groups] }),
      ...(extra && { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }),
    };
  },
};

/** Who approves or denies a request must hold `approve` on its signer. */
export function certificateApproval(authorizer: SyncAuthorizer): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    handles: (request) => request.operation === 'UPDATE' && isAbout(request, certificatesigningrequests, 'approval'),
    async validate(request) {
      const signer = oldState(request, certificatesigningrequests)?.spec?.signerName ?? '';
      if (maySign(authorizer, request, 'approve', signer)) return;
      throw refuse(request, `user not permitted to approve requests with signerName ${goQuote(signer)}`);
    },
  };
}

/** Who issues a certificate, or says that it failed, must hold `sign` on its signer. */
export function certificateSigning(authorizer: SyncAuthorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    handles: (request) => request.operation === 'UPDATE' && isAbout(request, certificatesigningrequests, 'status'),
    async validate(request) {
      const old = oldState(request, certificatesigningrequests);
      const current = newState(request, certificatesigningrequests);
      const isSame =
        old?.status?.certificate === current?.status?.certificate &&
        isDeepStrictEqual(old?.status?.conditions ?? [], current?.status?.conditions ?? []);
      const signer = old?.spec?.signerName ?? '';
      if (isSame || maySign(authorizer, request, 'sign', signer)) return;
      throw refuse(request, `user not permitted to sign requests with signerName ${goQuote(signer)}`);
    },
  };
}

/** Nobody gets a certificate of the superuser's group from a signer of the cluster. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  handles: (request) => request.operation === 'CREATE' && isAbout(request, certificatesigningrequests),
  async validate(request) {
    const spec = newState(request, certificatesigningrequests)?.spec;
    if (spec?.signerName !== 'kubernetes.io/kube-apiserver-client') return;
    let groups: readonly string[];
    try {
      groups = requestOf(spec.request).subject.organizations;
    } catch (error) {
      throw refuse(request, `failed to parse CSR: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (!groups.includes(systemMasters)) return;
    throw refuse(request, `use of ${spec.signerName} signer with ${systemMasters} group is not allowed`);
  },
};
