# The .rpm installed, and erased again, beside a running single server, and then beside that server stopped: as the .deb, by its own
# scriptlets.
#@ bare
#@ limit 900
rpm=$(echo /share/k3warden-*.rpm)
[ -e "$rpm" ] || fail "give the package with --share"
provide_to_rpm
install_k3s server
# Older than K3s's process, in whole seconds.
sleep 2
systemctl start k3s
wait_until 120 k3s_runs
# The defaults, only sooner.
mkdir -p /etc/k3warden/config.d
printf '[restart]\njitter = "0s"\nsettle_time = "5s"\n' >/etc/k3warden/config.d/50-site.toml
run=$(systemctl show -P InvocationID k3s)
describe_host >/root/before
rpm -ivh "$rpm" >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "K3s has to be restarted first"
restarted() { [ "$run" != "$(systemctl show -P InvocationID k3s)" ]; }
wait_until 180 restarted
wait_until 120 k3s_runs
wait_until 120 journalctl --no-pager -q -t k3warden --grep 'has settled'
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxage="
run=$(systemctl show -P InvocationID k3s)
rpm -e k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxage="
/var/lib/k3warden/purge >/root/said 2>&1 || fail "$(cat /root/said)"
expect_equal "$run" "$(systemctl show -P InvocationID k3s)" "the run of K3s"
# The running K3s reads it still; its next start does not name it any more.
expect_stays /root/said /var/lib/rancher/k3s/server/audit.yaml
expect_given_back /root/before 600 /var/lib/rancher/k3s/server/audit.yaml

systemctl stop k3s
rm /var/lib/rancher/k3s/server/audit.yaml
rpm -ivh "$rpm" >/root/said 2>&1 || fail "$(cat /root/said)"
wait_until 60 systemctl is-active k3warden.service
expect_sysctl kernel.panic 10
expect_equal inactive "$(systemctl is-active k3s || true)" "K3s"
expect_contains "$(cat /etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml)" "protect-kernel-defaults: true"
rpm -e k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
/var/lib/k3warden/purge >/root/said 2>&1 || fail "$(cat /root/said)"
expect_given_back /root/before
