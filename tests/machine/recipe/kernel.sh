#!/bin/bash
# kernel.sh APT_DIR OUT: unpack Debian's kernel of this release and a static busybox into OUT/unpacked.
# The generic kernel, not the cloud one: that one has no 9p, by which the guest sees /share.
set -euo pipefail
apt=${1:?usage: kernel.sh APT_DIR OUT} out=${2:?}
. "$(dirname "$(readlink -f "$0")")/apt.sh"
bed_apt_update
image=$(apt-cache "${bed_apt_options[@]}" depends "linux-image-amd64/$codename" | awk '/Depends: linux-image/ { print $2; exit }')
mkdir -p "$out/packages"
chmod 755 "$out/packages"
cd "$out/packages"
bed_apt download "$image" "busybox-static/$codename"
for package in ./*.deb; do dpkg-deb -x "$package" "$out/unpacked"; done
rm -r "$out/packages"
