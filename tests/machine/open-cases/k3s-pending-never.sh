# restart = never: a change of ours is pending, visible everywhere, and the next natural start takes it.
#@ limit 600
set_policy '[restart]' 'mode = "never"' 'settle_time = "5s"' 'settle_limit = "60s"'
install_k3s server
systemctl start k3s
start_daemon
wait_until 60 k3s_runs
wait_until 120 test -e /var/lib/k3warden/last-good.json
run=$(systemctl show -P InvocationID k3s)
# An operator weakens something; ours is made to win.
printf 'kube-apiserver-arg:\n- audit-log-maxage=3\n' > /etc/rancher/k3s/config.yaml
wait_until 60 bash -c 'k3warden status --format json | grep -q "restart.mode is"'
expect_equal "$run" "$(systemctl show -P InvocationID k3s)" "the run"
wait_until 30 journalctl --no-pager -q -t k3warden --grep 'K3s should start again'
expect_exit 1 k3warden apply
expect_contains "$output" "apply --restart"
# By hand it is restarted, and followed until it has settled.
expect_exit 0 k3warden apply --restart
expect_contains "$output" "K3s has settled"
wait_until 60 bash -c 'k3warden status --format json | grep -q "\"in_step\": *true"'
expect_exit 0 k3warden apply
