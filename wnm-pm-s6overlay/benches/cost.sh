#!/bin/sh
# Measures what s6overlay costs the whole machine: forks (with threads) and CPU seconds of /proc/stat, and the time that
# passed, for 1,000 test nodes in 5 groups of 200 whose wnm is an ordinary user, beside as many test nodes started by a shell.
#
#   wnm-pm-s6overlay/benches/cost.sh [NODES_PER_GROUP [GROUPS]]      200 5
#
# Needs root (to become an ordinary user, and to see all memory), a Docker engine, and nothing else that keeps the machine
# busy. WNM is another wnm to measure, instead of the one that is built here; WNM_BENCH_PROFILE is cargo's profile.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "cost.sh: run it as root" >&2 && exit 1; }
size=${1:-200} groups=${2:-5}
count=$((size * groups))
image=${WNM_TEST_S6_IMAGE:-wnm-test-s6:1}
user=23456 # who has no account
wnm-pm-s6overlay/image/build-test-image.sh "$image"
profile=${WNM_BENCH_PROFILE:-release}
[ -n "${WNM:-}" ] || cargo build --quiet --profile "$profile" --package wnm-cli
cargo build --quiet --profile "$profile" --package wnm-examples --example test-node
home=$(mktemp -d)
target=${CARGO_TARGET_DIR:-target}/$(echo "$profile" | sed s/^dev/debug/)
cp "${WNM:-$target/wnm}" "$home/wnm"
for version in 17 18; do
    mkdir "$home/0.4.$version"
    { cat "$target/examples/test-node" && printf '\nWNM-TEST-NODE-VERSION=0.4.%s\nWNM-TEST-NODE-MISBEHAVIOUR=\n' "$version"; } >"$home/0.4.$version/antnode"
    chmod 755 "$home/0.4.$version/antnode"
done
mkdir "$home/nodes" "$home/raw"
cp "$home/0.4.17/antnode" "$home/antnode"
chown -R "$user:$user" "$home"
chmod 755 "$home"

# Runs a program as the ordinary user.
as_user() {
    setpriv --reuid "$user" --regid "$user" --groups "$(stat -c %g /var/run/docker.sock)" env -i PATH="$PATH" HOME="$home" "$@"
}
wnm() { as_user "$home/wnm" --quiet "$@"; }

finish() {
    trap - EXIT
    pkill -U "$user" -f "$home/raw" || true
    wnm teardown --confirm >/dev/null 2>&1 || true
    rm -rf "$home"
}
trap finish EXIT
trap 'exit 1' INT TERM

forks() { sed -n 's/^processes //p' /proc/stat; }
# Hundredths of seconds in which the processors did anything.
busy() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 }' /proc/stat; }
# Does $2… and prints what that cost as a line of a table that begins with $1.
measure() {
    what=$1 && shift
    sleep 1
    forks=$(forks) busy=$(busy) began=$(date +%s%N)
    "$@" >/dev/null
    ended=$(date +%s%N)
    echo "$what|$(($(forks) - forks))|$(($(busy) - busy))|$(((ended - began) / 1000000))" |
        awk -F'|' '{ printf "| %s | %d | %.2f | %.2f |\n", $1, $2, $3 / 100, $4 / 1000 }'
}

listening() { ss -Hltn "( sport >= :$1 and sport <= :$2 )" | wc -l; }
raw() {
    number=0
    while [ $((number += 1)) -le "$count" ]; do
        directory=$home/raw/$number
        mkdir "$directory"
        as_raw=$((60000 - number))
        "$home/0.4.17/antnode" --root-dir "$directory" --port "$as_raw" --enable-metrics-server \
            --metrics-server-port $((as_raw - 20000)) --log-output-dest "$directory" \
            --rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124 evm-arbitrum-one >/dev/null 2>&1 &
    done
    until [ "$(listening $((40000 - count)) 39999)" -ge "$count" ]; do sleep 0.1; done
}
containers() { docker ps --quiet --filter "label=wnm.role=group" --filter "label=wnm.node_storage=$home/nodes"; }
first() { docker ps --quiet --filter "label=wnm.name=a1" --filter "label=wnm.node_storage=$home/nodes"; }
running() { docker exec "$1" pgrep -cf '^/var/antctl/services/antnode[0-9]+/' || true; }
restarted() {
    docker restart --time 90 "$1"
    until [ "$(running "$1")" -ge "$size" ]; do sleep 0.1; done
}

echo "machine: $(nproc) cores, Linux $(uname -r), Docker $(docker version --format '{{.Server.Version}}'), load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "| step | forks | CPU s | s |"
echo "| --- | --- | --- | --- |"
measure "nothing, for a second" sleep 1
measure "raw: $count test nodes started by a shell, until all listen" raw
pkill -U 0 -f "$home/raw" || true
wnm init --process_manager s6overlay+user --docker_image "$image" --node_storage "$home/nodes" --antnode_path "$home/antnode" \
    --node_cap "$count" --max_node_per_container "$size" --min_container_count "$groups" --max_concurrent_operations "$count" \
    --max_concurrent_starts "$count" --max_concurrent_upgrades "$count" --cpu_less_than 99 --cpu_remove 100 --mem_less_than 98 --mem_remove 99 --hd_less_than 98 --hd_remove 99 \
    --desired_load_average 1000 --max_load_average_allowed 2000 --delay_start 1 --delay_upgrade 1 --upgrade_canary 0 --upgrade_settle_seconds 0 --no_upnp \
    --rewards_address 0x03B770D9cD32077cC0bF330c13C114a87643B124 >/dev/null
measure "$count nodes added and started in $groups groups" wnm add --count "$count"
sleep 5
wnm run
measure "idle cycle" wnm run
measure "status" wnm status
measure "groups" wnm groups
measure "$size nodes of a group restarted" wnm restart $(seq -s ' ' "$size")
measure "docker restart of a group, until its $size nodes are back" restarted "$(first)"
sleep 2
wnm run
cp "$home/0.4.18/antnode" "$home/antnode.new" && mv "$home/antnode.new" "$home/antnode"
measure "$count nodes upgraded" wnm run
sleep 5
wnm run
used=0
for container in $(containers); do
    memory=$(docker stats --no-stream --format '{{.MemUsage}}' "$container" | sed 's/MiB.*//')
    used=$(awk "BEGIN { print $used + $memory }")
done
own=$(pgrep -f '^/var/antctl/services/antnode[0-9]+/' | while read -r pid; do sed -n 's/^Pss_Anon: *\([0-9]*\).*/\1/p' "/proc/$pid/smaps_rollup"; done | awk '{ sum += $1 } END { print sum / 1024 }')
echo "memory of the containers: $used MiB, of that their nodes' own $own MiB: $(awk "BEGIN { printf \"%.2f\", ($used - $own) / $count }") MiB of supervision per node"
measure "$count nodes and $groups groups removed" wnm teardown --confirm
