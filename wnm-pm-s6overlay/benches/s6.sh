#!/bin/sh
# Measures 1,000 test nodes in 5 container groups of 200 with published ranges, then what it is measured against on the
# same machine in the same run: Docker's own publishing of the same ports, and one container per node.
#
#   wnm-pm-s6overlay/benches/s6.sh [NODES_PER_GROUP [GROUPS]]      200 5
#
# Needs root (rules, memory of other processes), a Docker engine, and nothing else that keeps the machine busy.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "s6.sh: run it as root" >&2 && exit 1; }
wnm-pm-s6overlay/image/build-test-image.sh "${WNM_TEST_S6_IMAGE:-wnm-test-s6:1}"
echo "machine: $(nproc) cores, Linux $(uname -r), Docker $(docker version --format '{{.Server.Version}}'), load $(cut -d' ' -f1-3 /proc/loadavg)"
# What is measured is the engine, s6 and the kernel; how wnm itself was compiled makes no difference to them.
WNM_BENCH_NODES=${1:-200} WNM_BENCH_GROUPS=${2:-5} exec cargo bench --quiet --profile dev --package wnm-pm-s6overlay --bench s6
