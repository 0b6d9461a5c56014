# Under never a change of ours is pending and visible everywhere, and the next natural start takes it, or apply --restart by hand.
#@ limit 600
set_policy 'metrics_file = "/var/lib/rancher/k3warden.prom"' 'restart = { mode = "never", settle_time = "3s", settle_limit = "60s" }'
install_k3s server
start_daemon
systemctl start k3s
wait_until 120 settled secrets-encryption
wait_until 90 status_has '"in_step": *true'
run=$(run_of_k3s)

# An operator weakens something; ours is made to win.
printf 'kube-apiserver-arg:\n- audit-log-maxage=3\n' > /etc/rancher/k3s/config.yaml
wait_until 90 status_has 'restart.mode is'
wait_until 30 told 'K3s should start again and is not restarted now: restart.mode is "never"'
expect_contains "$(k3warden status || true)" 'its restart is held: restart.mode is "never"'
metric() { grep -qxF "$1" /var/lib/rancher/k3warden.prom; }
wait_until 10 metric 'k3warden_k3s_restart_pending 1'
wait_until 10 metric 'k3warden_k3s_restart_held{waits_for="next-start"} 1'
expect_exit 1 k3warden apply
expect_contains "$output" "apply --restart"
expect_equal "$run" "$(run_of_k3s)" "the run"

# The next natural start takes it.
systemctl restart k3s
wait_until 90 status_has '"in_step": *true'
wait_until 10 metric 'k3warden_k3s_restart_pending 0'
# What a component runs with is unknown until K3s has said it, one after the other.
wait_until 120 k3warden check
expect_exit 0 k3warden apply

# By hand it is restarted, and followed until it has settled.
printf 'kube-apiserver-arg:\n- audit-log-maxage=3\n- audit-log-maxbackup=3\n' > /etc/rancher/k3s/config.yaml
wait_until 90 status_has 'restart.mode is'
expect_exit 0 k3warden apply --restart
expect_contains "$output" "K3s has settled"
expect_equal 3 "$(starts_of_k3s)" "starts"
wait_until 90 status_has '"in_step": *true'

# Switched off, the status names what can go wrong.
touch /etc/k3warden/disabled
wait_until 90 status_has 'protect-kernel-defaults, and K3s does not start'
expect_contains "$(k3warden status || true)" 'beware: '
rm /etc/k3warden/disabled
