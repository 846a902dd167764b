# The first process of a host: mounts what is the host's own, tells its pid as seen from outside, and lives until its
# standard input ends. With it the kernel ends every process of the host, as a power cut does.
set -eu
disk=$1 name=$2
# /proc is still the outer one.
read -r outer _ </proc/self/stat
exec 3<&0

cgroups=$(while read -r _ at type options _; do
  case $at in /sys/fs/cgroup/*) echo "$at $type $options" ;; esac
done </proc/mounts)
unified=no
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || unified=yes

mount -t proc proc /proc
mount -t sysfs sysfs /sys
if [ $unified = yes ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  # A cgroup with processes can't have others below it.
  echo 1 >/sys/fs/cgroup/init/cgroup.procs
else
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  echo "$cgroups" | while read -r at type options; do
    mkdir "$at"
    mount -t "$type" -o "$options" "$type" "$at"
  done
fi
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir -p /run/lock /run/netns
# Volatile: nobody waits for a real disk when the host ends. An overlay so marked must not be used again by its traces.
rm -rf "$disk/.work"
for folder in etc opt var/lib; do
  mkdir -p "$disk/$folder" "$disk/.work/$folder"
  mount -t overlay -o "lowerdir=/$folder,upperdir=$disk/$folder,workdir=$disk/.work/$folder,volatile" overlay "/$folder"
done
# What container engines keep can't lie on an overlay.
for folder in var/log var/lib/wherry var/lib/containerd var/lib/kubelet var/lib/cni; do
  mkdir -p "$disk/own/$folder" "/$folder"
  mount --bind "$disk/own/$folder" "/$folder"
done
# As systemd has it.
mount --make-rshared /
hostname "$name"
ip link set lo up

{
  # A shutdown of the host is told to every process; the power goes last.
  trap '' TERM
  exec cat <&3 >/dev/null
} &
echo 1 $! >/run/lab-keepers
echo "ready $outer"
# `wait` also takes leave of the orphans that become children of this process.
wait $!
