# In a chroot and in a container the files are hardened; live kernel values, which belong to somebody else, are left alone.
#@ limit 600
make_root() {
  mkdir -p "$1"/{usr,etc,var/lib,run,proc,tmp}
  mount --bind /usr "$1/usr"
  for link in bin sbin lib lib64; do [ -L /$link ] && ln -s "usr/$link" "$1/$link"; done
  mkdir -p "$1/etc/sysctl.d"
}
live() { sysctl -n vm.overcommit_memory kernel.panic kernel.panic_on_oops; }
before=$(live)

make_root /srv/chroot
for mounted in no yes; do
  if [ $mounted = yes ]; then mount -t proc proc /srv/chroot/proc; fi
  seen=0
  chroot /srv/chroot /usr/bin/k3warden apply --k3s-version 1.36.3 --format json >/root/report || seen=$?
  [ "$seen" -lt 2 ] || fail "apply in a chroot: $seen $(cat /root/report)"
  expect_contains "$(cat /root/report)" '"surroundings": "chroot"'
  expect_equal "$before" "$(live)" "live values after apply in a chroot (proc mounted: $mounted)"
  grep -qx 'kernel.panic = 10' /srv/chroot/etc/sysctl.d/90-kubelet.conf
  expect_exit 0 chroot /srv/chroot /usr/bin/k3warden revert
  [ ! -e /srv/chroot/etc/sysctl.d/90-kubelet.conf ] || fail "revert in a chroot left the file"
done

make_root /srv/container
mkdir -p /srv/container/run/systemd
echo oci >/srv/container/run/systemd/container
seen=0
unshare --mount --pid --fork bash -ec '
  mount -t proc proc /srv/container/proc
  exec chroot /srv/container /usr/bin/k3warden apply --k3s-version 1.36.3 --format json' >/root/report || seen=$?
[ "$seen" -lt 2 ] || fail "apply in a container: $seen $(cat /root/report)"
expect_contains "$(cat /root/report)" '"surroundings": "container"'
expect_equal "$before" "$(live)" "live values after apply in a container"
grep -qx 'kernel.panic = 10' /srv/container/etc/sysctl.d/90-kubelet.conf
