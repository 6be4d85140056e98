# Tries the shell's roads to a user namespace and to root.
# Expected containment: the programs are absent or refused.
echo "CELL $(readlink /proc/self/ns/pid) $(cut -d" " -f22 /proc/1/stat)"
for attempt in "unshare -Ur id" "unshare -rm true" "bwrap --ro-bind / / true" "sudo -n true" "su -c true" \
  "nsenter -t 1 -a true" "mount -t tmpfs none /tmp" "chroot / true" "newuidmap 1 0 0 1" "pkexec true"; do
  if $attempt >/dev/null 2>&1; then echo "ESCAPED: $attempt"; exit 1; fi
done
echo CONTAINED
