/** Throughput between pods of two nodes, with our backend and with the same thing made by hand, one after the other. */
import path from 'node:path';
import { isObject } from '../../../src/core/json.ts';
import { eventually } from '../../testbed/kubectl.ts';
import type { Host } from '../../testbed/lab/host.ts';
import { startLab } from '../../testbed/lab/lab.ts';
import { report } from '../report.ts';

const backends = ['vxlan', 'host-gw', 'wireguard-native', 'ipsec'] as const;
type BackendName = (typeof backends)[number];
const rounds = 15;

export async function benchPodnet(): Promise<void> {
  await using lab = await startLab({ name: 'bench' });
  const [a, b] = [await lab.addHost({ name: 'bench-1' }), await lab.addHost({ name: 'bench-2' })];
  const hosts = [a, b] as const;
  // A machine has room for one charon: what is made by hand runs on two others.
  const others = [await lab.addHost({ name: 'bench-3' }), await lab.addHost({ name: 'bench-4' })] as const;
  for (const pair of [hosts, others]) {
    await Promise.all(pair.map((host, index) => addPod(host, index + 1)));
    pair[1].start('ip', ['netns', 'exec', 'pod', 'iperf3', '--server']).stdout.resume();
  }
  for (const backend of backends) {
    await applyOurs(hosts, backend);
    const handmade = backend === 'ipsec' ? others : hosts;
    await applyByHand(handmade, backend);
    const from = { ours: a, byHand: handmade[0] } as const;
    const targets = { ours: '10.42.2.2', byHand: '10.99.2.2' } as const;
    for (const who of ['ours', 'byHand'] as const) {
      const target = targets[who];
      await eventually(`the pods reach each other by ${target}`, 20_000, async () => {
        const ping = ['netns', 'exec', 'pod', 'ping', '-c', '1', '-W', '1', '-I', sourceFor(target), target];
        return (await from[who].run('ip', ping)).status === 0 ? true : undefined;
      });
    }
    const rates = { ours: [] as number[], byHand: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      // In turns, so that whatever else the machine does meets both alike.
      const order = round % 2 === 0 ? (['ours', 'byHand'] as const) : (['byHand', 'ours'] as const);
      for (const who of order) rates[who].push(await throughput(from[who], targets[who]));
    }
    report(`${backend}, pod to pod`, ' Gbit/s', rates.ours);
    report(`${backend} by hand`, ' Gbit/s', rates.byHand);
    const ratios = rates.ours.map((rate, round) => (100 * rate) / (rates.byHand[round] ?? Number.NaN));
    report(`${backend}, of what the same link made by hand carries`, ' %', ratios);
    await Promise.all(hosts.map(clear));
  }
}

/** A pod on a routed veth pair, as the ptp plugin makes it; with the MTU of libipsec, the smallest. */
async function addPod(host: Host, number: number): Promise<void> {
  await host.must('sh', [
    '-ec',
    `sysctl -qw net.ipv4.ip_forward=1
     ip netns add pod
     ip link add pod0 mtu 1400 type veth peer name eth0 mtu 1400 netns pod
     ip address add 10.42.${number}.1/32 dev pod0
     ip link set pod0 up
     ip route add 10.42.${number}.2/32 dev pod0 scope host
     ip route add 10.99.${number}.2/32 dev pod0 scope host
     ip -n pod address add 10.42.${number}.2/32 dev eth0
     ip -n pod address add 10.99.${number}.2/32 dev eth0
     ip -n pod link set eth0 up
     ip -n pod route add 10.42.${number}.1 dev eth0 scope link
     ip -n pod route add default via 10.42.${number}.1`,
  ]);
}

const folderOf = (host: Host) => path.join(host.folder, 'podnet');

async function applyOurs(hosts: readonly Host[], backend: BackendName): Promise<void> {
  const program = path.join(import.meta.dirname, 'podnet-node.ts');
  const apply = async (host: Host, index: number, peerKey: readonly string[]) =>
    (await host.must(process.execPath, [program, backend, folderOf(host), String(index + 1), ...peerKey])).trim();
  const keys = await Promise.all(hosts.map((host, index) => apply(host, index, [])));
  await Promise.all(hosts.map((host, index) => apply(host, index, [keys[1 - index] ?? ''])));
}

async function applyByHand(hosts: readonly Host[], backend: BackendName): Promise<void> {
  const keys = backend === 'wireguard-native' ? await Promise.all(hosts.map(makeKeys)) : [];
  for (const [index, host] of hosts.entries()) {
    const [own, other] = [index + 1, 2 - index];
    await host.must('sh', ['-ec', scripts[backend](own, other, keys[1 - index] ?? '')]);
  }
}

const makeKeys = async (host: Host) =>
  (await host.must('sh', ['-c', 'wg genkey >/run/by-hand.key && wg pubkey </run/by-hand.key'])).trim();

/** What an administrator would type on node `own`. */
const scripts: Readonly<Record<BackendName, (own: number, other: number, otherKey: string) => string>> = {
  vxlan: (own, other) => `
    ip link add by-hand address 02:00:00:00:01:0${own} type vxlan id 42 dev eth0 local 198.18.0.1${own} dstport 4789 nolearning
    ip link set by-hand mtu 1450 up
    bridge fdb append 02:00:00:00:01:0${other} dev by-hand dst 198.18.0.1${other}
    ip neighbour add 10.99.${other}.0 lladdr 02:00:00:00:01:0${other} dev by-hand nud permanent
    ip route add 10.99.${other}.0/24 via 10.99.${other}.0 dev by-hand onlink`,
  'host-gw': (_, other) => `ip route add 10.99.${other}.0/24 via 198.18.0.1${other}`,
  'wireguard-native': (_, other, otherKey) => `
    ip link add by-hand type wireguard 2>/dev/null || wireguard-go by-hand >/dev/null 2>&1
    wg set by-hand listen-port 51000 private-key /run/by-hand.key peer ${otherKey} \\
      allowed-ips 10.99.${other}.0/24 endpoint 198.18.0.1${other}:51000 persistent-keepalive 25
    ip link set by-hand mtu 1440 up
    ip route add 10.99.${other}.0/24 dev by-hand`,
  // The same packages as a distribution configures them, with Flannel's proposals.
  ipsec: (own, other) => `
    printf '%s\\n' 'charon { install_routes = no
      load_modular = no
      load = random nonce openssl aes aesni gcm sha1 sha2 hmac kdf x509 constraints pubkey pem pkcs8 kernel-libipsec kernel-netlink socket-default vici
      plugins { vici { socket = unix:///run/by-hand.vici } } }' >/run/by-hand.conf
    printf '%s\\n' 'connections { hand { version = 2
        local_addrs = 198.18.0.1${own + 2}
        remote_addrs = 198.18.0.1${other + 2}
        encap = yes
        local { auth = psk
          id = n${own} }
        remote { auth = psk
          id = n${other} }
        children { hand { local_ts = 10.99.${own}.0/24
            remote_ts = 10.99.${other}.0/24
            esp_proposals = aes128gcm16-sha256-prfsha256-ecp256
            start_action = ${own === 2 ? 'start' : 'none'} } } } }
      secrets { ike-hand { secret = by-hand } }' >/run/by-hand.swanctl
    STRONGSWAN_CONF=/run/by-hand.conf setsid /usr/lib/ipsec/charon </dev/null >/run/by-hand.log 2>&1 &
    until [ -S /run/by-hand.vici ] && ip link set ipsec0 mtu 1400 up; do sleep 0.1; done
    ip address add 10.99.${own}.0/32 dev ipsec0
    swanctl --load-all --file /run/by-hand.swanctl --uri unix:///run/by-hand.vici
    ip route add 10.99.${other}.0/24 dev ipsec0`,
};

/** Leaves only the pod. */
async function clear(host: Host): Promise<void> {
  await host.must('sh', [
    '-c',
    `for device in flannel.1 flannel-wg by-hand; do ip link delete $device 2>/dev/null; done
     ip route flush proto 87; ip route delete 10.99.1.0/24 2>/dev/null; ip route delete 10.99.2.0/24 2>/dev/null; true`,
  ]);
}

/** Gbit/s that arrive through one TCP connection of a second. */
async function throughput(from: Host, target: string): Promise<number> {
  const addresses = ['--bind', sourceFor(target), '--client', target];
  const client = ['netns', 'exec', 'pod', 'iperf3', '--json', '--time', '1', ...addresses];
  const result: unknown = JSON.parse(await from.must('ip', client));
  const end = isObject(result) && isObject(result['end']) ? result['end'] : {};
  const received = isObject(end['sum_received']) ? end['sum_received'] : {};
  return Number(received['bits_per_second']) / 1e9;
}

/** The source decides which of the two networks the answers take. */
function sourceFor(target: string): string {
  return target.replace(/\.2\.2$/, '.1.2');
}
