#!/bin/bash
# root.sh APT_DIR ROOT: a Debian tree with systemd and the tools that cases need, of the release that this machine runs
# (so that a binary built here finds the C library it was linked against).
set -euo pipefail
apt=${1:?usage: root.sh APT_DIR ROOT} root=${2:?}
here=$(dirname "$(readlink -f "$0")")
. "$here/apt.sh"
packages=$(sed -e 's/#.*//' "$here/packages" | xargs | tr ' ' ,)
mmdebstrap --mode=root --variant=minbase --include="$packages" \
  --aptopt='Acquire::Languages "none"' --aptopt='Apt::Install-Recommends "false"' \
  --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  "$codename" "$root" "deb [signed-by=$keyring] $mirror $codename main"
# From here on the guest's dpkg unpacks everything, and its apt knows no archive (it has no network).
rm -f "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$root"/etc/apt/apt.conf.d/99mmdebstrap
: > "$root/etc/apt/sources.list"
"$here/prepare.sh" "$root"
