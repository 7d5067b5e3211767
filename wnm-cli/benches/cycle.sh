#!/usr/bin/env bash
# What wnm costs on this machine: an idle cycle with 0, 50 and 200 running test nodes, `add --count 50`, `status` and a
# teardown. Prints seconds of wall time, seconds of processor time and peak memory of wnm itself; nodes are not counted.
#
#   wnm-cli/benches/cycle.sh [RUNS]     (default 5; needs GNU time, Debian's package `time`)
set -euo pipefail
cd "$(dirname "$0")/../.."
runs="${1:-5}"
command -v /usr/bin/time >/dev/null || { echo "GNU time is missing (Debian: apt-get install time)" >&2; exit 1; }

cargo build --release --quiet -p wnm-cli
cargo build --release --quiet -p wnm-examples --example test-node
wnm="$PWD/target/release/wnm"
place="$(mktemp -d)"
printf '\nWNM-TEST-NODE-VERSION=0.4.17\nWNM-TEST-NODE-MISBEHAVIOUR=\n' |
    cat target/release/examples/test-node - >"$place/antnode"
chmod 755 "$place/antnode"
export WNM_DATABASE="$place/colony.db" WNM_NODE_STORAGE="$place/nodes" WNM_LOG_DIR="$place/logs" \
    WNM_BOOTSTRAP_CACHE_DIR="$place/cache" WNM_ANTNODE_PATH="$place/antnode" WNM_PROCESS_MANAGER=setsid+user
trap '"$wnm" teardown --confirm --quiet || true; rm -rf "$place"' EXIT

measure() { # what, how often, command…
    local what="$1" often="$2"
    shift 2
    for _ in $(seq "$often"); do
        /usr/bin/time -f '%e %U %S %M' -o "$place/time" "$wnm" "$@" --quiet >/dev/null
        cat "$place/time"
    done | sort -n | awk -v what="$what" '
        { wall[NR] = $1; cpu[NR] = $2 + $3; if ($4 > memory) memory = $4 }
        END { middle = int((NR + 1) / 2)
              printf "| %-28s | %4d | %6.2f | %6.2f | %6.2f | %5.2f | %5.1f |\n",
                     what, NR, wall[middle], wall[1], wall[NR], cpu[middle], memory / 1024 }'
}

"$wnm" init --quiet --rewards_address faucet --no_upnp --node_cap 200 --max_concurrent_operations 500 \
    --port_start 20 --metrics_port_start 21 --rpc_port_start 22 --max_concurrent_starts 200 --delay_start 0 \
    --cpu_less_than 101 --cpu_remove 102 --mem_less_than 101 --mem_remove 102 --hd_less_than 101 --hd_remove 102 \
    --desired_load_average 9999 --max_load_average_allowed 10000
"$wnm" run --quiet --node_cap 0

echo "| what                         | runs | wall s | min    | max    | CPU s | MiB   |"
echo "| ---------------------------- | ---- | ------ | ------ | ------ | ----- | ----- |"
measure "idle cycle, 0 nodes" "$runs" run --node_cap 0
measure "add --count 50" 1 add --count 50
"$wnm" run --quiet --node_cap 50
measure "idle cycle, 50 nodes" "$runs" run --node_cap 50
measure "status, 50 nodes" "$runs" status --json
measure "add --count 150" 1 add --count 150
"$wnm" run --quiet
measure "idle cycle, 200 nodes" "$runs" run
measure "status, 200 nodes" "$runs" status --json
measure "restart of 200 nodes" 1 restart --count 200
measure "teardown of 200 nodes" 1 teardown --confirm
