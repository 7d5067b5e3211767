#!/bin/sh
# Builds wnm-test-systemd:1, the image of the machines on which tests meet a real systemd: systemd as pid 1, sudo, ufw,
# firewalld (off), cron, and two users. It comes from Debian packages, needs no image registry, and takes about half a
# minute. An image that was built by this very script is kept.
#
# Needs: docker, mmdebstrap, and root (or unprivileged user namespaces) for mmdebstrap.
# WNM_TEST_SUITE chooses the Debian release (bookworm): its C library must not be older than this machine's, since the
# tests carry their own programs into the container.
set -eu

image=wnm-test-systemd:1
suite=${WNM_TEST_SUITE:-bookworm}
content=$(printf '%s\n' "$suite" | cat - "$0" | sha256sum | cut -c 1-32)

# Several tests may want it at once.
exec 9>"${TMPDIR:-/tmp}/wnm-test-systemd.lock"
flock 9

label=$(docker image inspect --format '{{index .Config.Labels "wnm.content"}}' "$image" 2>/dev/null || true)
if [ "$label" = "$content" ]; then
    echo "$image is up to date"
    exit 0
fi

old=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
archive=$(mktemp "${TMPDIR:-/tmp}/wnm-test-systemd.XXXXXX")
trap 'rm -f "$archive"' EXIT

# resident: no rights at all, and nodes that outlive its sessions. keeper: everything through sudo, without a password.
# There is no user ant: wnm makes it. The units that are masked make no sense in a container and only slow it down.
mmdebstrap --quiet --variant=minbase --format=tar \
    --include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,sudo,passwd,procps,iproute2,ufw,iptables,firewalld,cron,ca-certificates \
    --customize-hook='chroot "$1" useradd --create-home --uid 1000 --shell /bin/bash resident' \
    --customize-hook='chroot "$1" useradd --create-home --uid 1001 --shell /bin/bash keeper' \
    --customize-hook='mkdir -p "$1/var/lib/systemd/linger" && touch "$1/var/lib/systemd/linger/resident"' \
    --customize-hook='echo "keeper ALL=(ALL) NOPASSWD: ALL" >"$1/etc/sudoers.d/keeper" && chmod 0440 "$1/etc/sudoers.d/keeper"' \
    --customize-hook='chroot "$1" systemctl disable ufw.service firewalld.service' \
    --customize-hook='chroot "$1" systemctl mask getty.target console-getty.service systemd-udevd.service systemd-resolved.service systemd-networkd.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer' \
    "$suite" "$archive"

docker import \
    --change "LABEL wnm.content=$content" \
    --change 'CMD ["/sbin/init"]' \
    --change 'ENV container=docker' \
    "$archive" "$image" >/dev/null
# The one before goes, unless a container still has it.
[ -z "$old" ] || docker image rm "$old" >/dev/null 2>&1 || true
echo "$image is built from $suite"
