# An agent that cannot reach its server is waiting, not failed: nothing is put back, and it settles when the server comes. 1.36 and 1.31.
#@ limit 600
rules='settle_time = "3s", settle_limit = "60s", jitter = "0s", minimum_interval = "0s", per_day = 50'
set_policy "restart = { mode = \"auto\", $rules }"
install_k3s agent --server https://10.0.0.1:6443
echo 6 > /etc/k3s-standin/no-server
start_daemon
systemctl start --no-block k3s-agent
ours=$(sha256sum < "$drop_in")
gave_up() { journalctl --no-pager -q -b -o cat -u k3s-agent --grep 'failed to wait' | grep -q "$1"; }
wait_until 90 gave_up 'Shutdown request received'
wait_until 90 status_has 'gave up waiting for its server'
echo v1.31.4+k3s1 > /etc/k3s-standin/version
wait_until 90 status_has 'waiting for'
wait_until 90 gave_up 'level=fatal'
wait_until 90 status_has 'gave up waiting for its server'
if told 'did not live with the last change'; then fail "an agent without its server counts as failed"; fi
expect_equal "$ours" "$(sha256sum < "$drop_in")" "our drop-in"
[ ! -e /var/lib/k3warden/quarantine.json ] || fail "quarantine"
rm /etc/k3s-standin/no-server
wait_until 120 settled protect-kernel-defaults
expect_equal 0 "$(times_told 'restarting K3s')" "restarts by us"
