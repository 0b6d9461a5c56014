# For those who want no daemon: k3warden-apply.service hardens at each boot before K3s starts, and then is gone.
#@ bare
#@ limit 600
install_k3s server
describe_host >/root/before
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
systemctl disable --now k3warden.service
systemctl enable k3warden-apply.service
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

# Nothing of it outlives the package, that it was enabled neither; beside the K3s that runs what it reads stays, and is listed.
systemctl disable k3s.service
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
only_encryption_stands
expect_stays /root/said /etc/rancher/k3s/config.yaml.d{,/zz-k3warden.yaml} /var/lib/rancher/k3s{,/server{,/audit.yaml,/psa.yaml}}
expect_given_back /root/before "${begun_by_k3s[@]}" "${left_to_k3s[@]}" \
  600 /var/lib/rancher/k3s/server/audit.yaml 600 /var/lib/rancher/k3s/server/psa.yaml
