import type { ServerAddress } from './exchange.ts';
import type { HostLine } from './hosts.ts';
import type { Policy } from './upstreams.ts';

/*
 * What the name server is told to do, as plain data: it travels to the thread that answers.
 */

/** Names from `from` down are asked of `servers`. */
export interface ForwardConfiguration {
  /** `example.local.`, `.` for all. */
  readonly from: string;
  readonly servers: readonly ServerAddress[];
  readonly policy: Policy;
  readonly overTcp: boolean;
}

export interface BlockConfiguration {
  readonly zone: string;
  readonly hosts: readonly HostLine[];
  readonly hostsTtl: number;
  readonly hostsReverse: boolean;
  /** Names that the hosts do not have do not exist. */
  readonly isHostsFinal: boolean;
  /** The first whose `from` fits counts. */
  readonly forwards: readonly ForwardConfiguration[];
  /** 0: nothing is kept. */
  readonly cacheSeconds: number;
  readonly isLogged: boolean;
}

export interface DnsConfiguration {
  readonly main: BlockConfiguration;
  readonly blocks: readonly BlockConfiguration[];
}
