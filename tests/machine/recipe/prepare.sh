#!/bin/bash
# prepare.sh ROOT: make the tree a guest: names, journal on disk, the bed's own agent and shell, no units that only cost time.
set -euo pipefail
root=${1:?usage: prepare.sh ROOT}
here=$(dirname "$(readlink -f "$0")")
units=$root/etc/systemd/system
echo guest > "$root/etc/hostname"
printf '127.0.0.1 localhost guest\n' > "$root/etc/hosts"
: > "$root/etc/machine-id"   # empty, not absent: the id is made at boot, but presets are not applied as on a first boot
: > "$root/etc/fstab"
rm -f "$root/etc/resolv.conf"

# Under emulation each of these costs a tenth of a second or more, and no case looks at them.
for unit in getty@tty1 console-getty serial-getty@ttyS0 serial-getty@hvc0 systemd-timesyncd systemd-firstboot \
  systemd-update-utmp systemd-update-utmp-runlevel systemd-random-seed systemd-logind systemd-user-sessions \
  systemd-pstore e2scrub_reap modprobe@; do
  ln -sfn /dev/null "$units/$unit.service"
done
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  systemd-tmpfiles-clean.timer dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
  sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount; do
  ln -sfn /dev/null "$units/$unit"
done
# At each boot and each daemon-reload systemd runs its generators: for an empty fstab, no SysV scripts, no kernel argument of theirs.
mkdir -p "$root/etc/systemd/system-generators"
for generator in "$root"/lib/systemd/system-generators/*; do
  ln -sfn /dev/null "$root/etc/systemd/system-generators/${generator##*/}"
done
ln -sfn /lib/systemd/system/multi-user.target "$units/default.target"
mkdir -p "$root/etc/systemd/journald.conf.d" "$units/basic.target.wants" "$root/share"
printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n' > "$root/etc/systemd/journald.conf.d/bed.conf"

install -m 0755 "$here/guest-agent" "$root/usr/local/sbin/bed-agent"
for unit in bed-agent bed-shell; do
  install -m 0644 "$here/$unit.service" "$units/$unit.service"
  ln -sfn "../$unit.service" "$units/basic.target.wants/$unit.service"
done
