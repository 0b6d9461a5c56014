# An upgrade keeps policy, edited configuration, pause and ledger, runs the new program, and does not restart K3s.
#@ bare
#@ limit 900
cat >/usr/local/bin/k3s <<'END'
#!/bin/bash
case $1 in --version) echo "k3s version v1.36.3+k3s1 (0123abcd)"; exit ;; esac
exec sleep infinity
END
chmod 755 /usr/local/bin/k3s
printf '[Service]\nExecStart=/usr/local/bin/k3s server\n' >/etc/systemd/system/k3s.service
systemctl daemon-reload
systemctl start k3s.service
mkdir -p /etc/k3warden/config.d
printf '[restart]\nmode = "never"\n' >/etc/k3warden/config.d/50-site.toml

# The package manager's part of it: the same build under an older version. What the programs of earlier commits left behind is given to
# this one by tests/earlier_state.rs.
repack /share/k3warden.deb 0.0.9-1 /root/old.deb
apt-get install -y /root/old.deb >/root/said 2>&1 || fail "$(cat /root/said)"
wait_until 60 systemctl is-active k3warden.service
start=$(systemctl show -p InvocationID --value k3s.service)
daemon=$(systemctl show -p InvocationID --value k3warden.service)
k3warden ledger >/root/ledger
[ -s /root/ledger ] || fail "nothing was recorded"
echo '#mine' >>/etc/k3warden/config.toml
k3warden pause --for 2h --reason "a visit"

apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
wait_until 60 systemctl is-active k3warden.service
expect_equal "$start" "$(systemctl show -p InvocationID --value k3s.service)" "start of K3s"
[ "$daemon" != "$(systemctl show -p InvocationID --value k3warden.service)" ] || fail "the old daemon still runs"
[ -e /etc/k3warden/config.d/50-site.toml ] || fail "the policy is gone"
grep -qx '#mine' /etc/k3warden/config.toml || fail "the operator's configuration was replaced"
wait_until 60 bash -c 'k3warden status | grep "a visit"'
k3warden pause --end
wait_until 60 bash -c 'k3warden status | grep -v "a visit"'
k3warden ledger >/root/ledger-now
head -n "$(wc -l </root/ledger)" /root/ledger-now | diff /root/ledger - || fail "the ledger's beginning changed"
expect_exit 0 k3warden ledger --verify
# The door stands before K3s's own commands.
expect_contains "$(systemctl show -p ExecStartPre k3s.service)" "/usr/bin/k3warden apply --before-start"
expect_contains "$(systemctl cat k3s.service)" "10-k3warden.conf"
