# Removing the package where the disk has no room for the way back: it is said, nothing half is kept, purge keeps the record; with room
# again the way that was said gives everything back, to the byte. As .deb, then as .rpm.
#@ bare
#@ limit 900
rpm=$(echo /share/k3warden-*.rpm)
[ -e "$rpm" ] || fail "give the package with --share"
# Room for the record, and not for a copy of the program.
mkdir -p /var/lib/k3warden
mount -t tmpfs -o size=1m,mode=0700 tmpfs /var/lib/k3warden
describe_host >/root/before

half_kept() { [ -e /var/lib/k3warden/k3warden-revert ] || [ -e /var/lib/k3warden/purge ]; }
removed_without_a_way_back() {
  expect_contains "$(cat /root/said)" "could not be kept in /var/lib/k3warden"
  expect_contains "$(cat /root/said)" "make room, install k3warden again, $1"
  if grep -E "purge puts everything back|To put everything back" /root/said; then fail "a way back is offered that cannot be had"; fi
  if half_kept; then fail "half of the way back is kept"; fi
  [ ! -e /usr/bin/k3warden ] || fail "the program is still there"
  expect_sysctl kernel.panic 10
}
# The directory stays, as something is mounted there; what was in it is gone.
expect_nothing_kept() { expect_equal "" "$(ls -A /var/lib/k3warden)" "what is kept"; }
make_room() { mount -o remount,size=64m /var/lib/k3warden; }
no_room() { mount -o remount,size=1m /var/lib/k3warden; }

apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_sysctl kernel.panic 10
apt-get remove -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
removed_without_a_way_back "then purge it"
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "the record stays in /var/lib/k3warden: install k3warden again, then purge it"
expect_sysctl kernel.panic 10
make_room
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_exit 0 k3warden ledger --verify
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_nothing_kept
expect_given_back /root/before

no_room
provide_to_rpm
describe_host >/root/before
rpm -ivh "$rpm" >/root/said 2>&1 || fail "$(cat /root/said)"
expect_sysctl kernel.panic 10
rpm -e k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
removed_without_a_way_back "erase it, and run: /var/lib/k3warden/purge"
make_room
rpm -ivh "$rpm" >/root/said 2>&1 || fail "$(cat /root/said)"
expect_exit 0 k3warden ledger --verify
rpm -e k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
/var/lib/k3warden/purge
expect_nothing_kept
expect_given_back /root/before
