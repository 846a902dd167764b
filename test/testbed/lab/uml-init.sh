# The first process of a user-mode Linux host, on the host file system as its root. It puts a root of its own in its
# place (a layer on the disk over what was there), and serves the test's commands on the serial line.
# Kernel parameters: lab_name, lab_place (the host's folder), lab_here (this folder), lab_node (Node.js).
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
kernel=$(uname -r)
insmod "/usr/lib/uml/modules/$kernel/kernel/fs/overlayfs/overlay.ko"
mount -t tmpfs tmpfs /mnt
mkdir /mnt/disk /mnt/root
mount -t ext4 /dev/ubda /mnt/disk
cd /mnt/disk
[ -d layer ] || {
  mkdir -p layer work own files
  cp -a "$lab_place/disk/etc" layer/etc
}
mount -t overlay -o "lowerdir=/,upperdir=layer,workdir=work" overlay /mnt/root
cd /mnt/root
mkdir -p lib/modules proc sys dev run tmp mnt
mount --bind /usr/lib/uml/modules lib/modules
mount --bind /tmp tmp
mount --bind /mnt/disk/files ".$lab_place/files"
# What container engines keep can't lie on an overlay.
for folder in var/log var/lib/wherry var/lib/containerd var/lib/kubelet var/lib/cni; do
  mkdir -p "/mnt/disk/own/$folder" "$folder"
  mount --bind "/mnt/disk/own/$folder" "$folder"
done
mount --move /dev dev
mount -t proc proc proc
mount -t sysfs sysfs sys
pivot_root . mnt
cd /
umount -l /mnt
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/lock /run/netns
# As systemd has it.
mount --make-rshared /
hostname "$lab_name"
# Modules are loaded when they are wanted, but addresses do not ask for theirs.
modprobe ipv6
ip link set lo up
ip link set vec0 name eth0
stty raw -echo </dev/tty1
"$lab_node" --disable-warning=ExperimentalWarning "$lab_here/uml-server.ts" </dev/tty1 >/dev/tty1 &
echo 1 $! >/run/lab-keepers
# `wait` also takes leave of the orphans that become children of this process.
wait $!
