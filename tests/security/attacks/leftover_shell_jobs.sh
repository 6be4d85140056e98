# Leaves background jobs, one of them deaf to signals, and a locked file.
# Expected containment: they die with the cell.
echo "CELL $(readlink /proc/self/ns/pid) $(cut -d" " -f22 /proc/1/stat)"
nohup sleep 3600 >/dev/null 2>&1 &
(trap '' TERM HUP INT; setsid sleep 3600 &) </dev/null >/dev/null 2>&1
(trap '' TERM HUP; while :; do sleep 1; done) &
echo CONTAINED
