import type { Pod } from '../../kube/types.gen.ts';

/** A resolv.conf. */
export interface ResolverConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

export interface ClusterDns {
  /** Addresses of the cluster's DNS service. */
  readonly servers: readonly string[];
  /** E.g. `cluster.local`. */
  readonly domain: string;
}

/** resolv.conf(5) of glibc and musl keep three name servers; Kubernetes allows 32 search domains of 2048 characters. */
const serversMax = 3;
const searchesMax = 32;
const searchCharactersMax = 2048;

export function parseResolvConf(text: string): ResolverConfig {
  const servers: string[] = [];
  let searches: readonly string[] = [];
  let options: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined) servers.push(values[0]);
    // The last one counts (resolv.conf(5)).
    if (keyword === 'search')
      searches = values.filter((value) => value !== '.').map((value) => value.replace(/\.$/, ''));
    if (keyword === 'options') options = values;
  }
  return { servers, searches, options };
}

/** A pod's resolv.conf by its dnsPolicy and dnsConfig; `host` is the node's own. */
export function podDns(pod: Pod, cluster: ClusterDns, host: ResolverConfig): ResolverConfig {
  const base = policyConfig(pod, cluster, host);
  const own = pod.spec?.dnsConfig;
  const options = new Map(base.options.map((option) => [option.split(':')[0] ?? option, option]));
  for (const { name = '', value } of own?.options ?? [])
    options.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  return bounded({
    servers: unique([...base.servers, ...(own?.nameservers ?? [])]),
    searches: unique([...base.searches, ...(own?.searches ?? [])]),
    options: [...options.values()],
  });
}

function policyConfig(pod: Pod, cluster: ClusterDns, host: ResolverConfig): ResolverConfig {
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst';
  if (policy === 'None') return { servers: [], searches: [], options: [] };
  const isClusterFirst =
    policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && pod.spec?.hostNetwork !== true);
  if (!isClusterFirst || cluster.servers.length === 0) return host;
  const { domain } = cluster;
  const searches = [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain];
  return { servers: cluster.servers, searches: unique([...searches, ...host.searches]), options: ['ndots:5'] };
}

function bounded(config: ResolverConfig): ResolverConfig {
  const searches: string[] = [];
  let characters = 0;
  for (const search of config.searches.slice(0, searchesMax)) {
    characters += search.length + 1;
    if (characters - 1 > searchCharactersMax) break;
    searches.push(search);
  }
  return { ...config, servers: config.servers.slice(0, serversMax), searches };
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}

/** The pod's host name and, when it has a subdomain (or an override), its domain. */
export function podHostname(pod: Pod, clusterDomain: string): { readonly hostname: string; readonly domain: string } {
  const override = pod.spec?.hostnameOverride;
  if (override) return { hostname: override, domain: '' };
  const hostname = (pod.spec?.hostname || pod.metadata.name || '').slice(0, 63).replace(/[-.]+$/, '');
  const subdomain = pod.spec?.subdomain;
  return { hostname, domain: subdomain ? `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : '' };
}

/** What gethostname(2) says in the pod: the first label, or the whole name with setHostnameAsFQDN. */
export function kernelHostname(pod: Pod, clusterDomain: string): string {
  const { hostname, domain } = podHostname(pod, clusterDomain);
  return pod.spec?.setHostnameAsFQDN && domain !== '' ? `${hostname}.${domain}` : hostname;
}

/** A pod's /etc/hosts; `hostFile` is the node's, for pods in the node's network. */
export function hostsFile(pod: Pod, podIPs: readonly string[], clusterDomain: string, hostFile: string): string {
  const lines: string[] = [];
  if (pod.spec?.hostNetwork) {
    lines.push('# Kubernetes-managed hosts file (host network).', hostFile.replace(/\n$/, ''));
  } else {
    lines.push(
      '# Kubernetes-managed hosts file.',
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      'fe00::0\tip6-localnet',
      'fe00::0\tip6-mcastprefix',
      'fe00::1\tip6-allnodes',
      'fe00::2\tip6-allrouters',
    );
    const { hostname, domain } = podHostname(pod, clusterDomain);
    const names = domain === '' ? hostname : `${hostname}.${domain}\t${hostname}`;
    for (const ip of podIPs) lines.push(`${ip}\t${names}`);
  }
  const aliases = pod.spec?.hostAliases ?? [];
  if (aliases.length > 0) {
    lines.push('', '# Entries added by HostAliases.');
    for (const { ip, hostnames } of aliases) lines.push([ip, ...(hostnames ?? [])].join('\t'));
  }
  return `${lines.join('\n')}\n`;
}
