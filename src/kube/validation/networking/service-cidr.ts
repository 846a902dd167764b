import { type FieldError, invalid, required } from '../../field-error.ts';
import { parseCidr } from '../../ip.ts';
import type { ServiceCIDR } from '../../types.gen.ts';
import { validateCanonicalCidr } from '../addresses.ts';
import { type Errors, fieldIsImmutable, immutable } from '../common.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';

const field = 'spec.cidrs';

export function validateServiceCidr({ spec }: ServiceCIDR): readonly FieldError[] {
  return [...cidrsErrors(spec?.cidrs ?? [])];
}

export function validateServiceCidrUpdate(serviceCidr: ServiceCIDR, old: ServiceCIDR): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(serviceCidr.metadata, old.metadata),
    ...changeErrors(serviceCidr.spec?.cidrs ?? [], old.spec?.cidrs ?? []),
  ];
}

export function validateServiceCidrStatusUpdate(serviceCidr: ServiceCIDR, old: ServiceCIDR): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(serviceCidr.metadata, old.metadata)];
}

function* cidrsErrors(cidrs: readonly string[]): Errors {
  if (cidrs.length === 0) {
    yield required(field, 'at least one CIDR required');
    return;
  }
  if (cidrs.length > 2) {
    yield invalid(field, { CIDRs: cidrs }, 'may only hold up to 2 values');
    return;
  }
  for (const [index, cidr] of cidrs.entries()) yield* validateCanonicalCidr(cidr, `${field}[${index}]`);
  const [first, second] = cidrs.map((cidr) => parseCidr(cidr)?.address.family);
  if (first !== undefined && first === second) {
    const detail = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
    yield invalid(field, cidrs, detail);
  }
}

/** A second family may be added, nothing else changes. */
function* changeErrors(cidrs: readonly string[], old: readonly string[]): Errors {
  const [first = ''] = cidrs;
  if (cidrs.length === old.length) {
    for (const [index, cidr] of cidrs.entries()) yield* immutable(cidr, old[index], `${field}[${index}]`);
  } else if (old.length === 1 && cidrs.length === 2) {
    yield* immutable(first, old[0], `${field}[0]`);
    yield* cidrsErrors(cidrs);
  } else yield invalid(field, cidrs, fieldIsImmutable);
}
