# The classic one.
# Expected containment: as above.
# attack: {"may_die": true, "limits": {"wall_time_ms": 2000}}
echo "CELL $(readlink /proc/self/ns/pid) $(cut -d" " -f22 /proc/1/stat)"
echo CONTAINED
bomb() { bomb | bomb & }
bomb
sleep 10
