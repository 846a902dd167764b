import { failure } from '../../apiserver/errors.ts';
import { WherryError } from '../../core/errors.ts';
import { StatusError } from '../../kube/status-error.ts';

/** Why a server does not let a machine join. */
export const refusalCodes = ['NODE_NAME_TAKEN', 'NODE_IP_TAKEN', 'VERSION_SKEW', 'BAD_CERTIFICATE_REQUEST'] as const;
export type RefusalCode = (typeof refusalCodes)[number];

export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  readonly hint: string;
}

/** A refusal as the API answers it: the code and the hint travel as the Status's cause. */
export function refusalStatus({ code, message, hint }: Refusal): StatusError {
  return failure({
    code: 403,
    reason: 'Forbidden',
    message,
    details: { causes: [{ reason: code, message: hint }] },
  });
}

/** What the joining machine makes of the answer; undefined for any other failure. */
export function refusalOf(error: unknown): WherryError | undefined {
  if (!(error instanceof StatusError)) return undefined;
  const cause = error.status.details?.causes?.find(({ reason }) => refusalCodes.some((code) => code === reason));
  if (cause?.reason === undefined) return undefined;
  return new WherryError(cause.reason, error.message, cause.message === undefined ? {} : { hint: cause.message });
}
