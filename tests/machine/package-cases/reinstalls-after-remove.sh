# A package that was removed and comes back holds the node again, keeps the operator's policy, and can still put back what was there first.
#@ bare
#@ limit 600
describe_host >/root/before
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
wait_until 60 systemctl is-active k3warden.service
printf '[restart]\nmode = "never"\n' >>/etc/k3warden/config.toml
apt-get remove -y k3warden >/dev/null 2>&1
[ -x /var/lib/k3warden/purge ] || fail "nothing is left that could read the ledger"
expect_contains "$(cat /etc/k3warden/config.toml)" 'mode = "never"'
sysctl -q -w kernel.panic=3
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /etc/k3warden/config.toml)" 'mode = "never"'
[ ! -e /var/lib/k3warden/k3warden-revert ] || fail "the copy of the old program is still there"
wait_until 60 systemctl is-active k3warden.service
wait_until 60 bash -c '[ "$(sysctl -n kernel.panic)" = 10 ]'
expect_exit 0 k3warden ledger --verify
systemctl stop k3warden
k3warden revert
expect_sysctl kernel.panic 0
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_given_back /root/before
