#!/bin/sh
# Makes the image that the tests use: wnm's files on a base that offers what s6-overlay v3 offers, built from Debian
# packages alone, so that no image registry is needed.
#
#   build-test-image.sh [TAG]      TAG: wnm-test-s6:1
#
# The Debian release is this machine's own, so that programs built here run there; WNM_TEST_SUITE names another.
#
# Two images: `wnm-test-s6-base:1` (packages and the stand-in for s6-overlay) and TAG (with wnm's files). Each carries a
# hash of what it was made from and is made again only when that changed.
set -eu
tag=${1:-wnm-test-s6:1}
base=wnm-test-s6-base:1
suite=bookworm
packages=s6,execline,busybox-static,ca-certificates,conntrack,curl,procps,iptables,iputils-ping,iproute2,nftables
cd "$(dirname "$0")"

say() { echo "build-test-image: $*" >&2; }
fail() { say "$1" && echo "hint: $2" >&2 && exit 1; }

docker version >/dev/null || fail "there is no Docker engine for this user" "start it, or add the user to its group"
# Not on Debian: a release that is newer than what most machines have.
suite=${WNM_TEST_SUITE:-$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME" || echo trixie)}

# Whether image $1 was made from what has the hash $2.
is_made() { [ "$(docker image inspect --format '{{index .Config.Labels "wnm.made-from"}}' "$1" 2>/dev/null)" = "$2" ]; }
# Removes the image that had a name before another got it, unless a container still has it.
remove() { [ -z "$1" ] || docker image rm "$1" >/dev/null 2>&1 || true; }
id_of() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true; }
# A hash of file names, modes and contents under the directories "$@".
hash_of() { tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - "$@" | sha256sum | cut -d' ' -f1; }

old_base=
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

base_hash=$({ echo "$suite" && hash_of build-test-image.sh test-base; } | sha256sum | cut -d' ' -f1)
if ! is_made "$base" "$base_hash"; then
    say "making $base from Debian packages"
    old=$(id_of "$base")
    command -v mmdebstrap >/dev/null || {
        [ "$(id -u)" = 0 ] || fail "mmdebstrap is missing" "apt-get install mmdebstrap debian-archive-keyring"
        apt-get update >&2
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends mmdebstrap debian-archive-keyring >&2
    }
    # Programs are under /command, as s6-overlay has them; `ant` is made by whoever builds on the base.
    mmdebstrap --quiet --variant=minbase --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --customize-hook='copy-in test-base/init test-base/command /' \
        --customize-hook='copy-in test-base/usr/local/lib/test-base /usr/local/lib' \
        --customize-hook='chroot "$1" sh -c "ln -sf /usr/bin/s6-* /usr/lib/execline/bin/* /command/"' \
        "$suite" "$work/base.tar" >&2
    docker import --change "LABEL wnm.made-from=$base_hash" --change 'ENTRYPOINT ["/init"]' "$work/base.tar" "$base" >/dev/null
    old_base=$old
fi

hash=$({ echo "$base_hash" && hash_of rootfs; } | sha256sum | cut -d' ' -f1)
if is_made "$tag" "$hash"; then
    say "$tag is up to date"
    exit 0
fi
say "making $tag"
old=$(id_of "$tag")
cp -R rootfs "$work/"
cat >"$work/Dockerfile" <<DOCKERFILE
FROM $base
RUN useradd --create-home --shell /bin/bash ant
COPY rootfs/ /
ENV S6_BEHAVIOUR_IF_STAGE2_FAILS=2 S6_CMD_WAIT_FOR_SERVICES_MAXTIME=0 S6_KILL_FINISH_MAXTIME=120000 S6_KILL_GRACETIME=300
LABEL wnm.contract=1 wnm.made-from=$hash
ENTRYPOINT ["/init"]
CMD ["sleep", "infinity"]
DOCKERFILE
docker build --quiet --tag "$tag" "$work" >"$work/said" 2>&1 || { cat "$work/said" >&2 && exit 1; }
# The one above goes first: it is made of the other.
remove "$old"
remove "$old_base"
