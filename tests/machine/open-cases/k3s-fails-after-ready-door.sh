# Without the daemon: a change of ours that ends K3s only after READY is put back by the door after two ends, encryption untouched.
#@ limit 900
set_policy '[restart]' 'mode = "never"' 'settle_time = "5s"' 'settle_limit = "60s"'
install_k3s server
systemctl start k3s
wait_until 60 k3s_runs
[ -e /var/lib/rancher/k3s/server/cred/encryption-config.json ] || fail "no key"
mkdir -p /etc/k3warden/catalogue.d
cat > /etc/k3warden/catalogue.d/bad.toml <<'TOML'
[[control]]
id = "bad-flag"
title = "A flag that this K3s refuses"
why = "To see what happens then."
role = "server"
[[control.argument]]
component = "kubelet"
flag = "event-burst"
require = { equals = "77" }
set = "77"
TOML
echo 'event-burst=77' > /etc/k3s-standin/refuses
drop_in=/etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml
systemctl restart --no-block k3s
wait_until 120 journalctl --no-pager -q -u k3s --grep 'this stand-in refuses'
wait_until 120 journalctl --no-pager -q -u k3s --grep 'two starts ended by themselves'
wait_until 60 k3s_runs
if grep -q event-burst "$drop_in"; then fail "it is still there: $(cat "$drop_in")"; fi
expect_contains "$(cat "$drop_in")" "secrets-encryption: true"
[ -e /var/lib/k3warden/quarantine.json ] || fail "not in quarantine"
starts=$(starts_of_k3s)
k3warden apply || true
if grep -q event-burst "$drop_in"; then fail "it was written again"; fi
sleep 20
expect_equal "$starts" "$(starts_of_k3s)" "starts: no loop"
k3warden retry
k3warden apply || true
expect_contains "$(cat "$drop_in")" "event-burst"
