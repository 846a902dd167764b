import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileConfig } from './config.ts';
import { compileHosts, parseRegistries } from './registries.ts';

const registriesYaml = `
mirrors:
  docker.io:
    endpoint: ["https://mirror.example:5000/hub", "http://10.0.0.1:5000"]
  "*":
    endpoint: http://10.0.0.1:5000
configs:
  mirror.example:5000:
    auth: { username: me, password: 'a"b' }
    tls: { ca_file: /ca.pem, cert_file: /c.pem, key_file: /k.pem }
  private.example:
    tls: { insecure_skip_verify: true }
`;

test('the configuration that containerd reads', () => {
  const config = compileConfig({
    root: '/data/root',
    state: '/run/wherry/c',
    address: '/run/wherry/c.sock',
    sandboxImage: 'registry.k8s.io/pause:3.10',
    snapshotter: 'native',
    systemdCgroup: true,
    restrictOomScoreAdj: true,
    cniConfigFolder: '/data/net.d',
    cniPluginFolder: '/usr/lib/cni',
    registryHostsFolder: '/data/certs.d',
    registryAuths: parseRegistries(registriesYaml).auths,
  });
  assert.equal(
    config,
    `version = 2
root = "/data/root"
state = "/run/wherry/c"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[grpc]
address = "/run/wherry/c.sock"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.k8s.io/pause:3.10"
restrict_oom_score_adj = true
disable_hugetlb_controller = true
tolerate_missing_hugetlb_controller = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
netns_mounts_under_state_dir = true
enable_unprivileged_ports = true
enable_unprivileged_icmp = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/data/net.d"
max_conf_num = 1

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
default_runtime_name = "runc"
discard_unpacked_layers = false

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/data/certs.d"

[plugins."io.containerd.grpc.v1.cri".registry.configs."mirror.example:5000".auth]
username = "me"
password = "a\\"b"

[plugins."io.containerd.internal.v1.opt"]
path = "/data/root/opt"
`,
  );
});

test('mirrors and TLS settings become one hosts.toml a registry', () => {
  assert.deepEqual(Object.fromEntries(compileHosts(parseRegistries(registriesYaml))), {
    'docker.io': `server = "https://registry-1.docker.io"

[host."https://mirror.example:5000/hub"]
capabilities = ["pull", "resolve"]
override_path = true
ca = "/ca.pem"
client = [["/c.pem", "/k.pem"]]

[host."http://10.0.0.1:5000"]
capabilities = ["pull", "resolve"]
`,
    _default: `[host."http://10.0.0.1:5000"]
capabilities = ["pull", "resolve"]
`,
    'mirror.example:5000': `server = "https://mirror.example:5000"

[host."https://mirror.example:5000"]
capabilities = ["pull", "resolve"]
ca = "/ca.pem"
client = [["/c.pem", "/k.pem"]]
`,
    'private.example': `server = "https://private.example"

[host."https://private.example"]
capabilities = ["pull", "resolve"]
skip_verify = true
`,
  });
});

test('a mistake in registries.yaml is named by its path', () => {
  const refused = (text: string, message: RegExp) => assert.throws(() => parseRegistries(text), message);
  refused('mirrors: [a]', /registries.yaml: mirrors must be a map/);
  refused('mirror: {}', /the document has the unknown key "mirror"/);
  refused('mirrors: {a: {endpoint: [1]}}', /mirrors.a.endpoint must be a list of strings/);
  refused('configs: {a: {tls: {insecure_skip_verify: yes please}}}', /configs.a.tls.insecure_skip_verify must be/);
  refused('a: [', /registries.yaml is not YAML/);
  assert.deepEqual(parseRegistries(''), { mirrors: {}, auths: {}, tls: {} });
});
