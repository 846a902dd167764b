import type { UserInfo } from '../kube/user.ts';
import { localPathAccount } from './addons.ts';

// Upstream's roles know these as parts of another controller, and the tokens controller as the whole program.
const sharedAccounts: Readonly<Record<string, string>> = {
  'local-path-provisioner': localPathAccount,
  'local-path-deleter': localPathAccount,
  'node-ipam-controller': 'node-controller',
  'taint-eviction-controller': 'node-controller',
};
const programUsers: Readonly<Record<string, string>> = { 'tokens-controller': 'system:kube-controller-manager' };

/** Who a component of kube-system is for the API server: the service account of that name. */
export function componentUser(name: string): UserInfo {
  const program = programUsers[name];
  if (program !== undefined) return { name: program, groups: ['system:authenticated'] };
  return {
    name: `system:serviceaccount:kube-system:${sharedAccounts[name] ?? name}`,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
  };
}
