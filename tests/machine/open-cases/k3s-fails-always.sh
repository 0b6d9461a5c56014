# A K3s that fails whatever we write: ours is put back once, nothing is restarted in a loop, and it is told.
#@ limit 900
set_policy '[restart]' 'mode = "auto"' 'settle_time = "5s"' 'settle_limit = "60s"' 'jitter = "0s"' 'minimum_interval = "0s"'
install_k3s server
touch /etc/k3s-standin/dies-always
start_daemon
systemctl start --no-block k3s
wait_until 120 journalctl --no-pager -q -t k3warden -p crit --grep 'did not live with'
sleep 60
[ "$(journalctl --no-pager -q -t k3warden --grep 'did not live with' -o cat | wc -l)" -le 1 ] || fail "put back again and again"
[ "$(journalctl --no-pager -q -t k3warden --grep 'restarting K3s' -o cat | wc -l)" -le 1 ] || fail "a loop of restarts"
systemctl is-active k3warden
rm /etc/k3s-standin/dies-always
wait_until 60 k3s_runs
