#!/bin/sh
# The main job, end to end: profile, diagnose and gate one kernel. `make demo` runs it.
# Live where ncu and a GPU are usable, otherwise from the bundled recording; the first line says which.
set -eu
kernel=${1:-kernels/naive/instance_norm.py}
export PATH="$BIN:$PATH"
if ncukit doctor >/dev/null 2>&1; then
    echo "LIVE: measuring $kernel on this machine's GPU with Nsight Compute"
    run=$(mktemp -d)/run
    ncukit profile "$kernel" -o "$run"
else
    echo "RECORDED: no usable ncu and GPU here (why: ncukit doctor), so this shows the bundled recording of $kernel"
    run=$(ncukit profile "$kernel" --recorded --format json 2>/dev/null | "$BIN/python" -c 'import json, sys; print(json.load(sys.stdin)["path"])')
    ncukit profile "$kernel" --recorded
fi
echo
said=$(mktemp)
trap 'rm -f "$said"' EXIT
ncukit diagnose "$run" 2>"$said"
cat "$said" >&2
echo
# At a roof the diagnosis leads to a gate on the kernels that are at it; anything else is held to the same budget whole.
gate=$(sed -n 's/^next: ncukit gate //p' "$said")
if [ -n "$gate" ]; then
    eval "ncukit gate $gate"
else
    ncukit gate "$run" --min dram_pct=70
fi
