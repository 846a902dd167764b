import { WherryError } from '../../core/errors.ts';
import type { Container } from '../../kube/types.gen.ts';

/** The number of a port that is given by number or by its name in the container. Throws with kubelet's words. */
export function resolvePort(port: number | string, container: Container): number {
  const named =
    typeof port === 'string' ? container.ports?.find(({ name }) => name === port)?.containerPort : undefined;
  const number = named ?? Number(port);
  if (Number.isInteger(number) && number > 0 && number < 65_536) return number;
  if (typeof port === 'string' && !/^\d+$/.test(port))
    throw new WherryError('PROBE_PORT', `couldn't find port: ${port}`);
  throw new WherryError('PROBE_PORT', `invalid port number: ${port}`);
}
