# Removes what a lab leaves on the machine once its standard input ends, which it also does when the test is killed.
# Arguments: the lab's folder and its cgroup. Its processes end by themselves at the same moment; until they are gone
# their cgroups can't be removed.
folder=$1 cgroup=$2
trap '' INT TERM HUP
cat >/dev/null
tries=600
while [ $tries -gt 0 ]; do
  left=
  for root in /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup"; do
    [ -d "$root" ] || continue
    find "$root" -depth -type d -exec rmdir {} + 2>/dev/null || left=$root
  done
  rm -rf "$folder" 2>/dev/null || left=$folder
  [ -n "$left" ] || exit 0
  tries=$((tries - 1))
  sleep 0.05
done
echo "the lab left $left" >&2
exit 1
