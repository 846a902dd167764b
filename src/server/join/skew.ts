/** A node may be so many minor versions older than its server, and none newer (Kubernetes' version skew policy). */
const olderMinorsMax = 3;

/** Why a node of one version can't work with a server of another; undefined when it can. Pure. */
export function versionSkew(node: string, server: string): string | undefined {
  const [ours, theirs] = [minorOf(node), minorOf(server)];
  if (ours === undefined || theirs === undefined || ours.major !== theirs.major)
    return `this machine runs ${node} and the server ${server}`;
  if (ours.minor > theirs.minor)
    return `this machine runs ${node}, newer than the server's ${server}, which a node may not be`;
  if (theirs.minor - ours.minor > olderMinorsMax)
    return `this machine runs ${node}, more than ${olderMinorsMax} minor versions older than the server's ${server}`;
  return undefined;
}

function minorOf(version: string): { readonly major: number; readonly minor: number } | undefined {
  const [, major, minor] = /^v?(\d+)\.(\d+)\./.exec(version) ?? [];
  return major === undefined || minor === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}
