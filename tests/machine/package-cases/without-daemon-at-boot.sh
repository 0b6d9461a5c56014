# For those who want no daemon: k3warden-apply.service hardens at each boot before K3s starts, and then is gone.
#@ limit 600
systemctl disable --now k3warden.service
systemctl enable k3warden-apply.service
install_k3s server
systemctl enable k3s.service
#@ reboot
wait_until 120 k3s_runs
expect_sysctl kernel.panic 10
expect_equal success "$(systemctl show -P Result k3warden-apply)" "how it ended"
expect_equal inactive "$(systemctl is-active k3warden-apply || true)" "after it has done its work"
expect_equal inactive "$(systemctl is-active k3warden || true)" "the daemon"
[ "$(systemctl show -P ExecMainExitTimestampMonotonic k3warden-apply)" -gt 0 ] || fail "it did not run"
[ "$(systemctl show -P ExecMainExitTimestampMonotonic k3warden-apply)" -le "$(systemctl show -P ExecMainStartTimestampMonotonic k3s)" ] ||
  fail "K3s was started before"
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxage="
expect_exit 0 k3warden check

# Nothing of it outlives the package.
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
[ ! -L /etc/systemd/system/multi-user.target.wants/k3warden-apply.service ] || fail "it is still enabled"
