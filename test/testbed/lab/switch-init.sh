# The first process of a lab's switch: namespaces with the bridges, kept until standard input ends.
set -eu
read -r outer _ </proc/self/stat
exec 3<&0
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
# The addresses of bridges are used at once.
for conf in all default; do echo 0 >/proc/sys/net/ipv6/conf/$conf/accept_dad; done
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo "ready $outer"
cat <&3 >/dev/null &
wait $!
