# How `state` and `run` were made: by the build of that commit as a daemon on the test bed, beside the stand-in for K3s, with a part that
# settled, one that K3s did not live with, and a pause. In a checkout of that commit, with its build:
#     tests/machine/bed shell -c "$(cat THIS)" | sed -n 's/^TAR //p' | base64 -d | tar xz
CASE=record; . /share/expect.sh
rules='settle_time = "3s", settle_limit = "60s", jitter = "0s", minimum_interval = "0s", per_day = 50'
set_policy 'new_cluster = true' "restart = { mode = \"auto\", $rules }"
offer_flags
sysctl -q -w kernel.keys.root_maxkeys=2000
install_k3s server
start_daemon
systemctl start k3s
wait_until 120 settled audit-log-maxage
set_policy 'new_cluster = true' "restart = { mode = \"auto\", $rules }" "$(with_flags kubelet)"
systemctl reload k3warden
wait_until 120 settled event-burst
# one that K3s does not live with: quarantine
echo registry-burst >/etc/k3s-standin/refuses
set_policy 'new_cluster = true' "restart = { mode = \"auto\", $rules }" "$(with_flags kubelet other)"
systemctl reload k3warden
wait_until 120 test -e /var/lib/k3warden/quarantine.json
sleep 5
k3warden pause --for 1h --reason "an upgrade" || true
sleep 2
k3warden ledger --verify
tar -C / -cz var/lib/k3warden run/k3warden | base64 | sed "s/^/TAR /"
