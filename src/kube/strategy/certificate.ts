import { type Draft, draft } from '../draft.ts';
import type { SubresourceStrategy } from '../kind.ts';
import { formatTime } from '../time.ts';
import type { CertificateSigningRequest } from '../types.gen.ts';
import { isSemanticallyEqual } from './equal.ts';
import { restore } from './status.ts';

type Request = Draft<CertificateSigningRequest>;

/** Who asks is not for the client to say: admission has filled that in from the user that makes the request. */
export function prepareCsrForCreate(request: Request): void {
  request.status = {};
}

/** Neither the request nor its status can change through the main endpoint. */
export function prepareCsrForUpdate(request: Request, old: CertificateSigningRequest): void {
  restore(request, old, 'spec');
  restore(request, old, 'status');
}

/** The signer's endpoint: the certificate and failures; approvals and denials stay as they are. */
export const csrStatus: Omit<SubresourceStrategy<CertificateSigningRequest>, 'validateUpdate'> = {
  prepareForUpdate(request, old) {
    restore(request, old, 'spec');
    request.status ??= {};
    for (const type of ['Approved', 'Denied']) keepConditions(request, old, type);
    stampConditions(request, old);
  },
};

/** Puts what is stored in the places of conditions of this type; when their number differs, validation refuses it. */
function keepConditions(request: Request, old: CertificateSigningRequest, type: string): void {
  const conditions = request.status?.conditions ?? [];
  const former = (old.status?.conditions ?? []).filter((condition) => condition.type === type);
  if (conditions.filter((condition) => condition.type === type).length !== former.length) return;
  const kept = former.values();
  for (const [index, condition] of conditions.entries()) {
    if (condition.type !== type) continue;
    const stored = kept.next().value;
    if (stored !== undefined) conditions[index] = draft(stored);
  }
}

/** The approver's endpoint: conditions only. */
export const csrApproval: Omit<SubresourceStrategy<CertificateSigningRequest>, 'validateUpdate'> = {
  prepareForUpdate(request, old) {
    restore(request, old, 'spec');
    const conditions = request.status?.conditions;
    request.status = old.status === undefined ? {} : draft(old.status);
    if (conditions === undefined) delete request.status.conditions;
    else request.status.conditions = conditions;
    stampConditions(request, old);
  },
};

function stampConditions(request: Request, old: CertificateSigningRequest): void {
  const now = formatTime(Date.now());
  const former = old.status?.conditions ?? [];
  for (const condition of request.status?.conditions ?? []) {
    const before = former.find((one) => one.type === condition.type);
    if (isSemanticallyEqual(condition, before)) continue;
    condition.lastUpdateTime ??= now;
    if (condition.lastTransitionTime === undefined || condition.lastTransitionTime === null) {
      const isUnchanged = before !== undefined && before.status === condition.status;
      condition.lastTransitionTime = (isUnchanged ? before.lastTransitionTime : undefined) ?? now;
    }
  }
}
