# Installed beside a running single server, without a word about restarts: everything is applied, and K3s is restarted once, by the
# daemon. (That an upgrade restarts nothing after that is upgrades.sh's.)
#@ bare
#@ limit 900
install_k3s server
# Older than K3s's process, in whole seconds.
sleep 2
systemctl start k3s
wait_until 120 k3s_runs
[ -z "$(k3s_arguments kube-apiserver | grep -e --audit-log-maxage=)" ] || fail "it is hardened already"
# The defaults, only sooner.
mkdir -p /etc/k3warden/config.d
printf '[restart]\njitter = "0s"\nsettle_time = "5s"\n' >/etc/k3warden/config.d/50-site.toml
run=$(systemctl show -P InvocationID k3s)
describe_host >/root/before
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "K3s has to be restarted first"
expect_sysctl kernel.panic 10
restarted() { [ "$run" != "$(systemctl show -P InvocationID k3s)" ]; }
wait_until 180 restarted
wait_until 120 k3s_runs
wait_until 120 journalctl --no-pager -q -t k3warden --grep 'has settled'
stays_small
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxage="
expect_equal 2 "$(starts_of_k3s)" "starts of K3s"
# What restricts workloads and what encrypts Secrets is left to the operator on a cluster that has data; all else holds.
expect_exit 1 k3warden check
expect_equal "secrets-encryption pod-security-defaults network-policy-kube-system network-policy-default network-policy-kube-public default-service-accounts" \
  "$(awk '$1 == "divergent" { print $2 }' <<<"$output" | paste -sd' ')" "what does not hold"
case $output in *unknown*) fail "something is unknown: $output" ;; esac

# K3s runs on through the purge, and still reads a file that its next start does not name any more; the rest goes at once.
run=$(systemctl show -P InvocationID k3s)
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_equal "$run" "$(systemctl show -P InvocationID k3s)" "the run of K3s"
expect_stays /root/said /var/lib/rancher/k3s/server/audit.yaml
expect_given_back /root/before 600 /var/lib/rancher/k3s/server/audit.yaml
