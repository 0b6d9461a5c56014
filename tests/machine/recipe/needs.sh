#!/bin/bash
# needs.sh APT_DIR: install on this machine what building and running the bed takes. Does nothing when all of it is there.
# Nothing under /etc/apt is changed: the Debian sources of this machine are copied to APT_DIR, with backports where needed.
set -euo pipefail
apt=${1:?usage: needs.sh APT_DIR}
. "$(dirname "$(readlink -f "$0")")/apt.sh"

declare -A package_of=(
  [qemu-system-x86_64]=qemu-system-x86 [qemu-img]=qemu-utils [mmdebstrap]=mmdebstrap
  [cpio]=cpio [depmod]=kmod [mke2fs]=e2fsprogs [setpriv]=util-linux
)
missing=()
for tool in "${!package_of[@]}"; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || missing+=("${package_of[$tool]}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing on this machine: ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
  echo "the test bed needs these Debian packages, and root to install them: ${missing[*]}" >&2
  exit 2
fi
# Snapshots in QEMU's mapped-ram format need QEMU 9; bookworm has it in backports only.
target=()
[ "$codename" != bookworm ] || target=(-t bookworm-backports)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ bed_apt_update && bed_apt install -y --no-install-recommends --no-upgrade "${target[@]}" "${missing[@]}"; } >"$log" 2>&1 ||
  { tail -n 30 "$log" >&2; exit 1; }
