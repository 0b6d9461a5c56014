# The unit is judged as systemd has it loaded: what waits for a daemon-reload is shown beside it and does not count.
#@ limit 600
set_policy '[restart]' 'mode = "never"' 'settle_time = "5s"'
install_k3s server --kube-apiserver-arg=audit-log-maxage=60
# of FIELD: a field of the report, without blanks.
of() {
  k3warden effective --format json > /tmp/effective.json || true
  awk -v field="\"$1\":" '$1 == field && /^  "/ { on = 1; print; next } on && /^  ["}]/ { exit } on' /tmp/effective.json | tr -d ' \n'
}
expect_equal '"need_daemon_reload":false,' "$(of need_daemon_reload)" "a unit that systemd has as it stands"
expect_contains "$(of running)" '"running":null'
expect_contains "$(of argument_sources)" "/etc/systemd/system/k3s.service:"
systemctl start k3s
wait_until 60 k3s_runs

# What this start set is kept: options and arguments have two observations, and nothing is another at the next start.
k3warden apply >/dev/null || true
expect_contains "$(of running)" '"running":{"unknown":null,'
expect_contains "$(of running)" '"--audit-log-maxage=60"'
expect_contains "$(of running)" '"protect-kernel-defaults":["true"]'
expect_contains "$(of running)" '"differences":[]'
expect_contains "$(k3warden check --all --format json)" '"protect-kernel-defaults (running)"'

# The file changes and systemd has not read it: the next start has 60 still.
sed -i 's/maxage=60/maxage=7/' /etc/systemd/system/k3s.service
expect_equal '"need_daemon_reload":true,' "$(of need_daemon_reload)" "the file is newer"
expect_contains "$(of arguments)" '"--audit-log-maxage=60"'
expect_contains "$(of on_disk)" '"--audit-log-maxage=7"'
expect_contains "$(of on_disk)" '{"what":"kube-apiserver--audit-log-maxage","here":["7"],"next":["60"]}'
expect_contains "$(k3warden effective || true)" "kube-apiserver --audit-log-maxage: 7 -> 60"
expect_contains "$(k3warden check || true)" "systemctl daemon-reload"
expect_equal "" "$(k3warden check audit-log-retention | grep '^divergent' || true)" "the loaded value holds"

# After the reload it is the next start's, and the running K3s has the old one.
systemctl daemon-reload
expect_equal '"need_daemon_reload":false,' "$(of need_daemon_reload)" "read again"
expect_equal '"on_disk":null,' "$(of on_disk)" "nothing beside it"
expect_contains "$(of running)" '"what":"kube-apiserver--audit-log-maxage","here":["60"],"next":["7"]'
expect_contains "$(k3warden check audit-log-retention || true)" "divergent"

# Without a kept record and without the journal's lines it is unknown, and not green.
systemctl stop k3s
rm -rf /run/k3warden/starts /var/lib/k3warden/starts /etc/systemd/system/k3s.service.d/50-k3warden-door.conf
printf '[Service]\nStandardOutput=null\nStandardError=null\n' > /etc/systemd/system/k3s.service.d/quiet.conf
systemctl daemon-reload
systemctl start k3s
wait_until 60 systemctl is-active -q k3s
sleep 2
touch /etc/rancher/k3s/config.yaml
expect_contains "$(of running)" '"unknown":"the'
expect_exit 2 k3warden check k3s-yaml-kubeconfig
expect_contains "$output" "unknown"

# A second unit that starts K3s: the one that runs is judged, and that is said.
sed 's/^    server/    agent/' /etc/systemd/system/k3s.service > /etc/systemd/system/k3s-agent.service
systemctl daemon-reload
expect_contains "$(k3warden check || true)" "k3s.service is judged, because it runs; k3s-agent.service"
expect_contains "$(k3warden effective || true)" "k3s-agent.service on this node starts K3s too"
set_policy 'role = "agent"'
expect_equal '"unit":"k3s-agent.service",' "$(of unit)" "the policy decides"
