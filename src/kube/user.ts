/** Who makes a request: authentication.k8s.io UserInfo, after authentication and impersonation. */
export interface UserInfo {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Kubernetes' superuser group: everything is allowed to its members. */
export const systemMasters = 'system:masters';

/** The API server's own user, for what it writes on behalf of no one (quota usage, bootstrap objects). */
export const apiServerUser: UserInfo = { name: 'system:apiserver', groups: [systemMasters, 'system:authenticated'] };
