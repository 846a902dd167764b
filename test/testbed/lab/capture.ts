import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { eventually, runCommand } from '../kubectl.ts';
import type { HostProcess } from './machine.ts';

/** How long tcpdump may take to do what it is asked, milliseconds. */
const answerTimeoutMs = 10_000;

/** What passes an interface, recorded by tcpdump(8) until it is disposed of. */
export interface Capture extends AsyncDisposable {
  /** The file that is written, in pcap form. */
  readonly file: string;
  /** Ends the recording; what was seen can still be read. */
  stop(): Promise<void>;
  /** A line a packet, as tcpdump prints it with its link-level header, of those that match the filter (pcap-filter(7)). */
  packets(filter?: string): Promise<readonly string[]>;
  /** Whether these bytes stand within one packet. */
  contains(bytes: string | Buffer): boolean;
}

/** Starts recording where the device is; resolves when the first packet would be seen. */
export async function startCapture(
  place: { start(command: string, args: readonly string[]): HostProcess },
  device: string,
  filter: string,
  file: string,
): Promise<Capture> {
  const options = ['-i', device, '-w', file, '-U', '-Z', 'root', '--immediate-mode', '-s', '0', '-n'];
  const recording = place.start('tcpdump', [...options, filter]);
  recording.stdout.resume();
  let said = '';
  recording.stderr.setEncoding('utf8').on('data', (chunk) => {
    said += chunk;
  });
  await eventually('tcpdump listens', answerTimeoutMs, async () => {
    if (recording.status !== undefined) return true;
    return said.includes('listening on ') ? true : undefined;
  });
  if (recording.status !== undefined) throw new Error(`tcpdump ended with status ${recording.status}: ${said}`);

  /** Whether all that the kernel saw was written, by tcpdump's last words on it. */
  function isComplete(): boolean {
    const report = /(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped/g;
    const numbers = [...said.matchAll(report)].at(-1);
    if (numbers === undefined) return false;
    const [written = 0, seen, dropped = 0] = numbers.slice(1).map(Number);
    // The kernel shows packets on loopback as they leave and as they arrive; libpcap takes the latter.
    return (written + dropped) * (device === 'lo' ? 2 : 1) === seen;
  }

  async function stop(): Promise<void> {
    if (recording.status !== undefined) return;
    // Ended at once, it would leave out what the kernel has queued for it.
    await eventually('tcpdump has written all that passed', answerTimeoutMs, async () => {
      said = '';
      recording.signal('SIGUSR1');
      await Promise.race([once(recording.stderr, 'data'), recording.ended]);
      return isComplete() || recording.status !== undefined ? true : undefined;
    });
    recording.signal('SIGTERM');
    await recording.ended;
  }
  return {
    file,
    stop,
    async packets(wanted = '') {
      const result = await runCommand('tcpdump', ['-r', file, '-nne', wanted]);
      // The last packet may be half written while the recording goes on.
      if (result.status !== 0 && !result.stderr.includes('truncated dump file'))
        throw new Error(`tcpdump can't read ${file}: ${result.stderr}`);
      return result.stdout.split('\n').filter((line) => line !== '');
    },
    contains: (bytes) => packetsOf(readFileSync(file)).some((packet) => packet.includes(bytes)),
    [Symbol.asyncDispose]: stop,
  };
}

/** The packets of a pcap file written on this machine (draft-ietf-opsawg-pcap); a half-written last one is left out. */
function packetsOf(pcap: Buffer): readonly Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    if (at + 16 + length > pcap.length) break;
    packets.push(pcap.subarray(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return packets;
}
