# Installed beside a real K3s that runs: everything is applied, the daemon restarts K3s once, and it settles.
#@ bare
#@ memory 4096
#@ limit 1800
. /share/real-k3s.sh
install_real_k3s server
# Older than K3s's process, in whole seconds.
sleep 2
systemctl start k3s
wait_until 400 k3s_runs
mkdir -p /etc/k3warden/config.d
printf '[restart]\njitter = "0s"\nsettle_time = "30s"\n' >/etc/k3warden/config.d/50-site.toml
run=$(run_of_k3s)
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "K3s has to be restarted first"
restarted() { [ "$run" != "$(run_of_k3s)" ]; }
wait_until 300 restarted
wait_until 400 k3s_runs
wait_until 300 told 'has settled'
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxage="
audited() { [ -s /var/lib/rancher/k3s/server/logs/audit.log ]; }
wait_until 60 audited
expect_equal ok "$(kubectl get --raw /readyz)" "the API server"
expect_equal 2 "$(starts_of_k3s)" "starts of K3s"
# What restricts workloads and what encrypts Secrets is left to the operator on a cluster that has data; all else holds.
expect_exit 1 k3warden check
expect_equal "secrets-encryption pod-security-defaults network-policy-kube-system network-policy-default network-policy-kube-public default-service-accounts" \
  "$(divergent)" "what does not hold"
case $output in *unknown*) fail "something is unknown: $output" ;; esac

# K3s alone, a while: nothing of what it writes itself is drift that has to be repaired again and again, nothing restarts it.
sleep 60
expect_equal 2 "$(starts_of_k3s)" "starts of K3s"
expect_equal 0 "$(times_told 'is changed again and again')" "fights with K3s"
