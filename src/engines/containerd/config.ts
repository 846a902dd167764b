import { type TomlTable, writeToml } from '../../wire/toml.ts';
import type { RegistryAuth } from './registries.ts';

/** Everything that containerd's configuration depends on. */
export interface ContainerdOptions {
  /** Persistent data: images, snapshots. */
  readonly root: string;
  /** Volatile data; on a tmpfs. */
  readonly state: string;
  /** The socket. */
  readonly address: string;
  readonly sandboxImage: string;
  readonly snapshotter: 'overlayfs' | 'native';
  /** runc makes cgroups through systemd rather than in the file system; right only where systemd runs. */
  readonly systemdCgroup: boolean;
  /** Never set a container's oom_score_adj below our own; needed without CAP_SYS_RESOURCE. */
  readonly restrictOomScoreAdj: boolean;
  readonly cniConfigFolder: string;
  readonly cniPluginFolder: string;
  /** Holds one folder with a hosts.toml for each registry. */
  readonly registryHostsFolder: string;
  /** Credentials by registry host. */
  readonly registryAuths: Readonly<Record<string, RegistryAuth>>;
}

/** config.toml, version 2: what containerd 1.6 and 1.7 read, and 2.x migrates. */
export function compileConfig(options: ContainerdOptions): string {
  const cri: TomlTable = {
    sandbox_image: options.sandboxImage,
    restrict_oom_score_adj: options.restrictOomScoreAdj,
    // Hugepage and AppArmor support differ among kernels; their lack must not keep pods from running.
    disable_hugetlb_controller: true,
    tolerate_missing_hugetlb_controller: true,
    // Port 0: any free port. Only the node agent is told which one.
    stream_server_address: '127.0.0.1',
    stream_server_port: '0',
    // Several containerds on a machine must not share /run/netns.
    netns_mounts_under_state_dir: true,
    enable_unprivileged_ports: true,
    enable_unprivileged_icmp: true,
    cni: { bin_dir: options.cniPluginFolder, conf_dir: options.cniConfigFolder, max_conf_num: 1 },
    containerd: {
      snapshotter: options.snapshotter,
      default_runtime_name: 'runc',
      discard_unpacked_layers: false,
      runtimes: {
        runc: { runtime_type: 'io.containerd.runc.v2', options: { SystemdCgroup: options.systemdCgroup } },
      },
    },
    registry: {
      config_path: options.registryHostsFolder,
      ...(Object.keys(options.registryAuths).length === 0 ? {} : { configs: registryConfigs(options.registryAuths) }),
    },
  };
  return writeToml({
    version: 2,
    root: options.root,
    state: options.state,
    // Snapshotters that are not used only write warnings into the log.
    disabled_plugins: [
      'io.containerd.snapshotter.v1.aufs',
      'io.containerd.snapshotter.v1.btrfs',
      'io.containerd.snapshotter.v1.devmapper',
      'io.containerd.snapshotter.v1.zfs',
    ],
    grpc: { address: options.address },
    plugins: {
      'io.containerd.grpc.v1.cri': cri,
      'io.containerd.internal.v1.opt': { path: `${options.root}/opt` },
    },
  });
}

function registryConfigs(auths: Readonly<Record<string, RegistryAuth>>): TomlTable {
  return Object.fromEntries(
    Object.entries(auths).map(([host, auth]) => [
      host,
      {
        auth: {
          ...(auth.username === undefined ? {} : { username: auth.username }),
          ...(auth.password === undefined ? {} : { password: auth.password }),
          ...(auth.auth === undefined ? {} : { auth: auth.auth }),
          ...(auth.identityToken === undefined ? {} : { identitytoken: auth.identityToken }),
        },
      },
    ]),
  );
}
