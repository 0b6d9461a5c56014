# An upgrade from what an earlier commit installed, beside a running K3s, keeps policy, edited configuration, pause and ledger, runs the
# new program and restarts no K3s; the way back down works too; and purge gives back what the earlier one changed, to the byte.
#@ bare
#@ limit 1200
previous=/share/previous.deb
if [ ! -e "$previous" ]; then
  echo "no package of an earlier commit is there (packaging/previous): the same build under an older version takes its place"
  repack /share/k3warden.deb 0.0.9-1 /root/previous.deb
  previous=/root/previous.deb
fi
# Nobody answers dpkg's question about a file that the operator edited.
bring() { apt-get install -y --allow-downgrades -o Dpkg::Options::=--force-confold "$1" >/root/said 2>&1 || fail "$(cat /root/said)"; }
# exchange PACKAGE: another version in the place of the one that is installed; the daemon is another run then, and K3s is not.
exchange() {
  local daemon
  daemon=$(systemctl show -P InvocationID k3warden.service)
  k3warden ledger >/root/ledger
  bring "$1"
  expect_equal "$(dpkg-deb -f "$1" Version)" "$(dpkg-query -W -f '${Version}' k3warden)" "version"
  wait_until 180 daemon_runs_since "$daemon"
  # Every line that was there is there, and the chain is whole.
  k3warden ledger >/root/ledger-now
  head -n "$(wc -l </root/ledger)" /root/ledger-now | diff /root/ledger - || fail "the ledger's beginning changed"
  expect_exit 0 k3warden ledger --verify
  grep -qx '#mine' /etc/k3warden/config.toml || fail "the operator's configuration was replaced"
  expect_sysctl kernel.panic 10
  expect_equal "$start" "$(run_of_k3s)" "the run of K3s"
}
has_looked() { { k3warden status || true; } | grep 'controls hold' | grep -v "a visit"; }
# Emulated, the first look of either program takes longer than systemd waits on a machine.
mkdir -p /etc/systemd/system/k3warden.service.d
printf '[Service]\nTimeoutStartSec=120\nWatchdogSec=120\n' >/etc/systemd/system/k3warden.service.d/10-emulated.conf
install_k3s server
# Older than K3s's process, in whole seconds.
sleep 2
systemctl start k3s
wait_until 120 k3s_runs
mkdir -p /etc/k3warden/config.d
cat >/etc/k3warden/config.d/50-site.toml <<'TOML'
# The defaults, only sooner.
restart = { jitter = "0s", settle_time = "5s" }

[control.audit-log-backups]
max_backups = 12

[[exception]]
control = "kubelet-streaming-timeout"
reason = "long shells"
owner = "platform@example.com"
expires = 2099-01-31
TOML
describe_host >/root/before

# The earlier one hardens, and restarts K3s once.
bring "$previous"
wait_until 300 journalctl --no-pager -q -t k3warden --grep 'has settled'
expect_equal 2 "$(starts_of_k3s)" "starts of K3s"
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxbackup=12"
start=$(run_of_k3s)
printf '#mine\n' >>/etc/k3warden/config.toml
k3warden pause --for 2h --reason "a visit"

exchange /share/k3warden.deb
[ "$previous" = /root/previous.deb ] || [ -e /etc/k3warden/config.toml.dpkg-dist ] || fail "the new configuration does not lie beside the edited one"
wait_until 180 bash -c 'k3warden status | grep "a visit"'
k3warden pause --end
wait_until 180 has_looked
# With the records that the earlier one kept of K3s's start nothing is unknown. What restricts workloads and what encrypts Secrets is left
# to the operator on a cluster that has data.
expect_exit 1 k3warden check
expect_equal "secrets-encryption pod-security-defaults network-policy-kube-system network-policy-default network-policy-kube-public default-service-accounts" \
  "$(awk '$1 == "divergent" { print $2 }' <<<"$output" | paste -sd' ')" "what does not hold"
case $output in *unknown*) fail "something is unknown: $output" ;; esac
# The door stands before K3s's own commands.
expect_contains "$(systemctl show -p ExecStartPre k3s.service)" "/usr/bin/k3warden apply --before-start"
expect_contains "$(systemctl cat k3s.service)" "10-k3warden.conf"

# Back down, where the earlier one goes on with what the later one recorded, and up again.
exchange "$previous"
wait_until 180 has_looked
exchange /share/k3warden.deb
wait_until 180 has_looked
expect_equal "$start" "$(run_of_k3s)" "the run of K3s"

# A boot with what three versions have left.
systemctl enable k3s
#@ reboot
wait_until 120 k3s_runs
wait_until 60 systemctl is-active k3warden.service
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxbackup=12"
expect_exit 0 k3warden ledger --verify
systemctl disable --now k3s
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_given_back /root/before
