# A K3s that fails always costs one put-back and one alarm; one that is slow, or hangs in its stop, is waited for.
#@ limit 600
rules='settle_time = "3s", settle_limit = "60s", jitter = "0s", minimum_interval = "0s", per_day = 50'
set_policy "restart = { mode = \"auto\", $rules }"
offer_flags
install_k3s server
touch /etc/k3s-standin/dies-always
start_daemon
systemctl start --no-block k3s
wait_until 120 told 'did not live with the last change' crit
wait_until 60 told 'not because of a change of k3warden'
more_starts() { [ "$(starts_of_k3s)" -ge 5 ]; }
wait_until 120 more_starts
expect_equal 1 "$(times_told 'did not live with the last change')" "alarms"
expect_equal 1 "$(times_told 'not because of a change of k3warden: apiserver exited')" "messages of a K3s that fails by itself"
expect_equal 1 "$(times_told 'not because of a change')" "messages of a K3s that fails by itself, with a reason or without"
expect_equal 0 "$(times_told 'restarting K3s')" "restarts by us"
[ ! -e "$drop_in" ] || fail "something of ours is still there: $(cat "$drop_in")"
rm /etc/k3s-standin/dies-always
wait_until 60 k3s_runs

# Slow to be ready: nothing is put back, and it settles. A new policy lifts the quarantine.
echo 20 > /etc/k3s-standin/ready-after
set_policy "new_cluster = false" "restart = { mode = \"auto\", $rules }"
systemctl reload k3warden
wait_until 90 status_has 'waiting for K3s to be ready'
wait_until 120 settled audit-log-maxage
expect_equal 1 "$(times_told 'did not live with the last change')" "alarms"
expect_equal 1 "$(times_told 'restarting K3s')" "restarts by us"

# Hangs in its stop, until systemd kills it after TimeoutStopSec=: that is the old run, and says nothing of the new one.
rm /etc/k3s-standin/ready-after
touch /etc/k3s-standin/hangs-in-stop
systemctl restart k3s
wait_until 90 status_has '"in_step": *true'
rm /etc/k3s-standin/hangs-in-stop
starts=$(starts_of_k3s)
set_policy "new_cluster = false" "restart = { mode = \"auto\", $rules }" "$(with_flags kubelet)"
systemctl reload k3warden
wait_until 90 status_has 'waiting for the old K3s to end'
sysctl -q -w vm.panic_on_oom=1
repaired() { [ "$(sysctl -n vm.panic_on_oom)" = 0 ]; }
wait_until 15 repaired
wait_until 120 settled event-burst
expect_equal $((starts + 1)) "$(starts_of_k3s)" "starts"
expect_equal 2 "$(times_told 'restarting K3s')" "restarts by us"
systemctl is-active -q k3warden
k3warden ledger --verify
