import { CommandError, run } from '../process/run.ts';

/** Output of one look at the table that is read; more is an error. About 400,000 flows. */
const outputBytesMax = 64 * 1024 * 1024;

/** The two ends that the kernel's connection tracking knows of a flow: where it was sent, and who answers. */
export interface Flow {
  readonly destination: string;
  readonly destinationPort: number;
  /** Differs from the destination when the destination was rewritten. */
  readonly answering: string;
  readonly answeringPort: number;
}

/** UDP flows that the kernel keeps track of (conntrack(8)); several with the same ends are one. */
export async function listUdpFlows(family: 'ip' | 'ip6'): Promise<readonly Flow[]> {
  const { stdout } = await run('conntrack', ['-L', '-p', 'udp', '-f', familyOption(family)], { outputBytesMax });
  return parseFlows(stdout);
}

/** Makes the kernel forget UDP flows with these ends, so that their next packet is looked up anew. */
export async function forgetUdpFlows(family: 'ip' | 'ip6', flow: Flow): Promise<void> {
  const { destination, destinationPort, answering, answeringPort } = flow;
  const original = ['--orig-dst', destination, '--orig-port-dst', String(destinationPort)];
  const reply = ['--reply-src', answering, '--reply-port-src', String(answeringPort)];
  try {
    await run('conntrack', ['-D', '-p', 'udp', '-f', familyOption(family), ...original, ...reply]);
  } catch (error) {
    // They may have ended by themselves meanwhile.
    if (error instanceof CommandError && /0 flow entries have been deleted/.test(error.stderr)) return;
    throw error;
  }
}

function familyOption(family: 'ip' | 'ip6'): string {
  return family === 'ip' ? 'ipv4' : 'ipv6';
}

/** Reads lines such as `udp 17 29 src=A dst=B sport=1 dport=2 [UNREPLIED] src=C dst=A sport=2 dport=1 use=1`. */
export function parseFlows(text: string): readonly Flow[] {
  const flows = new Map<string, Flow>();
  const pattern = /^udp .*? dst=(\S+) sport=\d+ dport=(\d+) .*?src=(\S+) dst=\S+ sport=(\d+) dport=/gm;
  for (const [, destination = '', port, answering = '', answeringPort] of text.matchAll(pattern)) {
    const flow = { destination, destinationPort: Number(port), answering, answeringPort: Number(answeringPort) };
    flows.set(`${destination} ${port} ${answering} ${answeringPort}`, flow);
  }
  return [...flows.values()];
}
