# Makes a host of a lab: cgroups, then namespaces of its own, in which host-init.sh is the first process.
# Arguments: cgroup (relative), disk folder, name, addresses for /etc/hosts are in the disk already.
set -eu
cgroup=$1 disk=$2 name=$3
here=$(dirname "$0")
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p "/sys/fs/cgroup/$cgroup/init"
  sed 's/\([a-z_]\+\)/+\1/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
  sed 's/\([a-z_]\+\)/+\1/g' "/sys/fs/cgroup/$cgroup/../cgroup.controllers" >"/sys/fs/cgroup/$cgroup/../cgroup.subtree_control"
  echo $$ >"/sys/fs/cgroup/$cgroup/cgroup.procs"
else
  for hierarchy in /sys/fs/cgroup/*/; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    if [ -e "$hierarchy/cpuset.cpus" ]; then
      mkdir -p "$hierarchy/$cgroup"
      for folder in "$hierarchy/$cgroup/.." "$hierarchy/$cgroup"; do
        for file in cpuset.cpus cpuset.mems; do
          cat "$hierarchy/$file" >"$folder/$file"
        done
      done
    fi
    mkdir -p "$hierarchy/$cgroup"
    echo $$ >"$hierarchy/$cgroup/cgroup.procs"
  done
fi
exec unshare --cgroup --mount --pid --fork --kill-child --net --uts --ipc sh "$here/host-init.sh" "$disk" "$name"
