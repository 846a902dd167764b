import type { RequestInfo } from './request.ts';

// Resources that are served but on their way out: what a client that uses them is told (KEP-1693).
const warnings = new Map([
  ['/v1/endpoints', 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
  ['/v1/componentstatuses', 'v1 ComponentStatus is deprecated in v1.19+'],
]);

/** The text of the Warning header that every use of a deprecated resource gets; undefined for all others. */
export function deprecationOf({ group, version, resource, isResource }: RequestInfo): string | undefined {
  return isResource && group === '' ? warnings.get(`${group}/${version}/${resource}`) : undefined;
}
