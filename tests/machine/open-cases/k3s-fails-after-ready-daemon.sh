# With the daemon and restart = auto: a change of ours that ends K3s only after READY is put back to what last worked, by itself.
#@ limit 900
set_policy '[restart]' 'mode = "auto"' 'settle_time = "5s"' 'settle_limit = "120s"' 'jitter = "0s"' 'minimum_interval = "0s"' 'per_day = 20'
install_k3s server
systemctl start k3s
start_daemon
wait_until 60 k3s_runs
wait_until 120 test -e /var/lib/k3warden/last-good.json
expect_contains "$(cat /var/lib/k3warden/last-good.json)" "secrets-encryption"
drop_in=/etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml
good=$(sha256sum < "$drop_in")
run=$(systemctl show -P InvocationID k3s)

# A change of ours that works is taken up by a restart.
mkdir -p /etc/k3warden/catalogue.d
control() {
  cat > "/etc/k3warden/catalogue.d/$1.toml" <<TOML
[[control]]
id = "$1"
title = "A flag"
why = "To see what happens then."
role = "server"
[[control.argument]]
component = "kubelet"
flag = "event-burst"
require = { equals = "$2" }
set = "$2"
TOML
  systemctl reload k3warden
}
control fine 55
restarted() { [ "$run" != "$(systemctl show -P InvocationID k3s)" ]; }
wait_until 120 restarted
wait_until 120 journalctl --no-pager -q -t k3warden --grep 'has settled'
expect_contains "$(k3s_arguments kubelet)" "event-burst=55"
good=$(sha256sum < "$drop_in")

# One that does not is put back, once, with an alarm.
echo 'event-burst=77' > /etc/k3s-standin/refuses
run=$(systemctl show -P InvocationID k3s)
control fine 77
wait_until 120 restarted
wait_until 180 journalctl --no-pager -q -t k3warden -p crit --grep 'did not live with'
wait_until 120 k3s_runs
expect_equal "$good" "$(sha256sum < "$drop_in")" "our drop-in: what last worked"
sleep 30
starts=$(starts_of_k3s)
expect_equal "$good" "$(sha256sum < "$drop_in")" "our drop-in: it stays"
sleep 30
expect_equal "$starts" "$(starts_of_k3s)" "starts: no loop"
expect_contains "$(cat "$drop_in")" "secrets-encryption: true"
k3warden ledger --verify
# systemctl that hangs does not stop repairs.
