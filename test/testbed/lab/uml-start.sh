# Runs a user-mode Linux kernel until it ends or standard input does. It is started in the switch's network namespace and
# is the first process of a PID namespace, so that all processes of the kernel end with it. Descriptor 3 becomes the
# guest's /dev/tty1. Arguments: the folder for the kernel's own files, then its parameters.
set -eu
folder=$1
shift
read -r outer _ </proc/self/stat
exec 4<&0
mount -t proc proc /proc
mkdir -p "$folder"
echo "ready $outer"
linux.uml uml_dir="$folder" con=null con0=null,fd:1 con1=fd:3 "$@" </dev/null >>"$folder/console.log" 2>&1 4<&- &
kernel=$!
exec 3<&-
{
  cat <&4 >/dev/null
  kill -KILL $kernel
} &
wait $kernel
