import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { goQuote } from '../../go-json.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../../types.gen.ts';
import type { Errors } from '../common.ts';
import { semanticallyEqual } from '../internal-form.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { validateSignerName } from '../signer-name.ts';

const secondsMin = 600;
const legacySigner = 'kubernetes.io/legacy-unknown';
const usages: readonly string[] = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

type Request = CertificateSigningRequest;
type Conditions = readonly CertificateSigningRequestCondition[];

/** What a request that stands got wrong by today's rules stays allowed to it. */
interface RequestRules {
  readonly allowUnknownUsages: boolean;
  readonly allowDuplicateUsages: boolean;
  readonly allowLegacySigner: boolean;
  readonly allowDuplicateConditions: boolean;
  readonly allowEmptyConditionType: boolean;
  readonly allowBothDecisions: boolean;
  readonly allowAnyCertificate: boolean;
}

function rulesFor(old?: Request): RequestRules {
  const conditions = old?.status?.conditions ?? [];
  const types = conditions.map(({ type }) => type);
  const oldUsages = old?.spec?.usages ?? [];
  return {
    allowUnknownUsages: oldUsages.some((usage) => !usages.includes(usage)),
    allowDuplicateUsages: new Set(oldUsages).size < oldUsages.length,
    allowLegacySigner: old?.spec?.signerName === legacySigner,
    allowDuplicateConditions: new Set(types).size < types.length,
    allowEmptyConditionType: types.some((type) => (type ?? '') === ''),
    allowBothDecisions: types.includes('Approved') && types.includes('Denied'),
    allowAnyCertificate: certificateProblem(old?.status?.certificate ?? '') !== undefined,
  };
}

export function validateCertificateRequest(request: Request): readonly FieldError[] {
  return [...requestErrors(request, rulesFor())];
}

/** Through the main endpoint nothing of the status changes. */
export function validateCertificateRequestUpdate(request: Request, old: Request): readonly FieldError[] {
  return [...updateErrors(request, old, { decides: false, signs: false })];
}

export function validateCertificateRequestStatusUpdate(request: Request, old: Request): readonly FieldError[] {
  return [...updateErrors(request, old, { decides: false, signs: true })];
}

export function validateCertificateRequestApproval(request: Request, old: Request): readonly FieldError[] {
  return [...updateErrors(request, old, { decides: true, signs: false })];
}

function* updateErrors(
  request: Request,
  old: Request,
  may: { readonly decides: boolean; readonly signs: boolean },
): Errors {
  yield* validateObjectMeta(request.metadata, { namespaced: false });
  yield* requestErrors(request, rulesFor(old));
  const conditions = request.status?.conditions ?? [];
  const former = old.status?.conditions ?? [];
  for (const type of ['Approved', 'Denied', 'Failed']) {
    if (ofType(conditions, type).length < ofType(former, type).length) {
      yield forbidden('status.conditions', `updates may not remove a condition of type ${goQuote(type)}`);
    }
  }
  if (!may.decides) {
    yield* decisionErrors(conditions, former, 'Approved');
    yield* decisionErrors(conditions, former, 'Denied');
  }
  yield* certificateUpdateErrors(request.status?.certificate ?? '', old.status?.certificate ?? '', may.signs);
  yield* validateMetaUpdateOfKind(request.metadata, old.metadata);
}

function ofType(conditions: Conditions, type: string): Conditions {
  return conditions.filter((condition) => condition.type === type);
}

function* decisionErrors(conditions: Conditions, former: Conditions, type: string): Errors {
  const now = ofType(conditions, type);
  const before = ofType(former, type);
  if (now.length > before.length) {
    yield forbidden('status.conditions', `updates may not add a condition of type ${goQuote(type)}`);
  } else if (now.length === before.length && !semanticallyEqual(now, before)) {
    yield forbidden('status.conditions', `updates may not modify a condition of type ${goQuote(type)}`);
  }
}

function* certificateUpdateErrors(certificate: string, old: string, maySign: boolean): Errors {
  if (certificate === old) return;
  if (!maySign) yield forbidden('status.certificate', 'updates may not set certificate content');
  else if (old !== '') yield forbidden('status.certificate', 'updates may not modify existing certificate content');
}

function* requestErrors(request: Request, rules: RequestRules): Errors {
  const { spec, status } = request;
  if (!isRequestPem(spec?.request ?? '')) {
    const shown = spec?.request ?? shownMember(spec, 'request');
    yield invalid('spec.request', shown, 'PEM block type must be CERTIFICATE REQUEST');
  }
  yield* usagesErrors(spec?.usages ?? [], rules);
  yield* signerErrors(spec?.signerName ?? '', rules);
  const seconds = spec?.expirationSeconds;
  if (seconds !== undefined && seconds < secondsMin) {
    const detail = `may not specify a duration less than ${secondsMin} seconds (10 minutes)`;
    yield invalid('spec.expirationSeconds', seconds, detail);
  }
  yield* conditionsErrors(status?.conditions ?? [], rules);
  const problem = rules.allowAnyCertificate ? undefined : certificateProblem(status?.certificate ?? '');
  if (problem !== undefined) yield invalid('status.certificate', '<certificate data>', problem);
}

const pemBlock = /-----BEGIN ([^\n-]*)-----\r?\n((?:[^\n:]+: [^\n]*\r?\n)*)\r?\n?[A-Za-z0-9+/=\s]*-----END \1-----/g;

function isRequestPem(base64: string): boolean {
  const text = Buffer.from(base64, 'base64').toString('latin1');
  const [first] = text.matchAll(pemBlock);
  return first?.[1] === 'CERTIFICATE REQUEST';
}

/** What is wrong with the PEM text of certificates; none at all is fine. */
function certificateProblem(base64: string): string | undefined {
  if (base64 === '') return undefined;
  const blocks = [...Buffer.from(base64, 'base64').toString('latin1').matchAll(pemBlock)];
  for (const [, label = '', headers = ''] of blocks) {
    if (label !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${goQuote(label)}`;
    if (headers !== '') return 'no PEM block headers are permitted';
  }
  return blocks.length === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined;
}

function* usagesErrors(given: readonly string[], rules: RequestRules): Errors {
  const field = 'spec.usages';
  if (given.length === 0) yield required(field);
  if (!rules.allowUnknownUsages) {
    for (const [index, usage] of given.entries()) {
      if (!usages.includes(usage)) yield notSupported(`${field}[${index}]`, usage, usages);
    }
  }
  if (rules.allowDuplicateUsages) return;
  for (const [index, usage] of given.entries()) {
    if (given.indexOf(usage) < index) yield duplicate(`${field}[${index}]`, usage);
  }
}

function* signerErrors(signerName: string, rules: RequestRules): Errors {
  const field = 'spec.signerName';
  if (signerName !== legacySigner) yield* validateSignerName(signerName, field);
  else if (!rules.allowLegacySigner) {
    yield invalid(field, signerName, 'the legacy signerName is not allowed via this API version');
  }
}

const decisive = ['Approved', 'Denied', 'Failed'];

function* conditionsErrors(conditions: Conditions, rules: RequestRules): Errors {
  const seen = new Set<string>();
  for (const [index, { type = '', status = '' }] of conditions.entries()) {
    const field = `status.conditions[${index}]`;
    if (type === '' && !rules.allowEmptyConditionType) yield required(`${field}.type`);
    const statuses = decisive.includes(type) ? ['True'] : ['False', 'True', 'Unknown'];
    if (status === '') yield required(`${field}.status`);
    else if (!statuses.includes(status)) yield notSupported(`${field}.status`, status, statuses);
    const contrary = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : '';
    if (contrary !== '' && seen.has(contrary) && !rules.allowBothDecisions) {
      yield invalid(`${field}.type`, type, 'Approved and Denied conditions are mutually exclusive');
    }
    if (seen.has(type) && !rules.allowDuplicateConditions) yield duplicate(`${field}.type`, type);
    seen.add(type);
  }
}
