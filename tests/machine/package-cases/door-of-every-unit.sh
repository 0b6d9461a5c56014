# Every start of K3s passes the package's door, whatever its unit is called: an agent's, and one of a name of its own. A unit that starts
# something else is let through and leaves nothing.
#@ bare
#@ limit 600
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
wait_until 60 systemctl is-active k3warden.service
record() { echo "/run/k3warden/starts/$(systemctl show -P InvocationID "$1").json"; }
ours=/etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml

install_k3s agent --server https://10.0.0.1:6443 --token not-a-real-one
systemctl start k3s-agent
[ -s "$(record k3s-agent)" ] || fail "the agent's start passed no door"
expect_contains "$(cat "$ours")" "protect-kernel-defaults: true"
# A line that an agent would end with goes before it does, whoever starts it.
systemctl stop k3s-agent k3warden
echo 'secrets-encryption: true # secrets-encryption' >>"$ours"
systemctl start k3s-agent
[ -s "$(record k3s-agent)" ] || fail "the agent's second start passed no door"
if grep secrets-encryption "$ours"; then fail "the door let an agent end"; fi
systemctl stop k3s-agent
rm /etc/systemd/system/k3s-agent.service

install_k3s server
mv /etc/systemd/system/k3s.service /etc/systemd/system/k3s-edge.service
systemctl daemon-reload
systemctl start k3s-edge
[ -s "$(record k3s-edge)" ] || fail "the start of k3s-edge passed no door"
expect_contains "$(systemctl show -p ExecStartPre k3s-edge)" "apply --before-start"
expect_contains "$(cat "$ours")" "audit-log-maxage="

printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n' >/etc/systemd/system/k3s-backup.service
systemctl daemon-reload
systemctl start k3s-backup
expect_contains "$(systemctl show -p ExecStartPre k3s-backup)" "apply --before-start"
[ ! -e "$(record k3s-backup)" ] || fail "the start of something else is recorded"
