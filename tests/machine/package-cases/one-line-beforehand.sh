# With one policy line in place beforehand, a running K3s is only looked at (observe), or left running until its window (window) or
# until the operator restarts it (never); and purge puts back the rest.
#@ bare
#@ limit 1500
install_k3s server
# Older than K3s's process, in whole seconds.
sleep 2
systemctl start k3s
wait_until 120 k3s_runs
run=$(systemctl show -P InvocationID k3s)
mkdir -p /etc/k3warden/config.d
day=$(LC_ALL=C date -d '3 days' +%a)
install_with() {
  printf '%s\n' "$1" >/etc/k3warden/config.d/50-site.toml
  describe_host >/root/before
  apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
  wait_until 60 systemctl is-active k3warden.service
  wait_until 60 k3warden_has_looked
}
k3warden_has_looked() { [ -s /run/k3warden/status.json ]; }
# held_for WORDS: what a restart waits for, as the daemon tells it. (status exits 1 then.)
held_for() { { k3warden status --format json || true; } | grep "\"held\": .*$1"; }
purge_leaves_it_as_before() {
  sleep 10
  expect_equal "$run" "$(systemctl show -P InvocationID k3s)" "the run of K3s"
  apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
  expect_given_back /root/before
}

# README's table, its three lines.
install_with 'mode = "observe"'
expect_sysctl kernel.panic 0
[ ! -e /etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml ] || fail "something was written"
[ ! -e /etc/sysctl.d/90-kubelet.conf ] || fail "something was written"
expect_exit 1 k3warden check
purge_leaves_it_as_before

install_with "restart = { mode = \"window\", windows = [\"$day 02:00-04:00\"] }"
expect_sysctl kernel.panic 10
wait_until 150 held_for window
# Told where an operator looks.
expect_contains "$(systemctl --no-pager status k3warden.service)" "K3s should start again"
purge_leaves_it_as_before

install_with 'restart = { mode = "never" }'
expect_sysctl kernel.panic 10
wait_until 150 held_for "restart.mode is"
# What K3s had read is still known: two installations before this one have come and gone, and left the time of its directory as it was.
expect_exit 1 k3warden apply
expect_contains "$output" "apply --restart"
purge_leaves_it_as_before
