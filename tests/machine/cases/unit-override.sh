# A word of the unit's command that outranks K3s's configuration is exchanged by a drop-in that systemd reads as we meant it; one
# daemon-reload, never from the door; it follows install.sh and goes when nothing needs it.
#@ limit 600
drop_in=/etc/systemd/system/k3s.service.d/zz-k3warden.conf
reloads() { journalctl -b --no-pager -q -o cat _PID=1 | grep -cE '^Reloading\.' || true; }
# words: the words of the command as systemd has them, one a line (no word of these has a line end).
words() {
  busctl --json=short get-property org.freedesktop.systemd1 /org/freedesktop/systemd1/unit/k3s_2eservice \
    org.freedesktop.systemd1.Service ExecStart | sed -e 's/.*\[\["[^"]*",\["//' -e 's/"\],.*//' -e 's/","/\n/g'
}
traps() {
  install_k3s server --kubelet-arg=v=1 "$@"
  cat > /etc/systemd/system/k3s.service.d/10-traps.conf <<'END'
[Service]
Environment="A=p q" MODE=600
ExecStart=
ExecStart=-/usr/local/bin/k3s \
    server \
# a comment in between
	'--log=/tmp/x y' "--node-name=${MODE}" \
	'--kube-apiserver-arg' \
	'audit-log-maxage=7' \
	--node-label=a=b\x2dc --node-label 'unit=%N' --node-label=cost=5%% \
	'--tls-san=it\'s' $A_LIST --with-node-id

END
  printf 'A_LIST=--tls-san=one --tls-san=two\n' > /etc/default/k3s
  systemctl daemon-reload
}
set_policy 'unit_override = true' '[restart]' 'mode = "never"' 'settle_time = "5s"'
traps
words > /tmp/before
before=$(reloads)
k3warden apply > /tmp/applied || true
expect_mode 600 "$drop_in"
expect_equal 1 $(($(reloads) - before)) "daemon-reloads"
expect_equal no "$(systemctl show -P NeedDaemonReload k3s)" "read by systemd"
expect_contains "$(systemctl show -P ExecStart k3s)" "--kube-apiserver-arg=audit-log-maxage=30"
words > /tmp/after
# Only ours differs: the two words of the old form are one.
grep -vx -e '--kube-apiserver-arg' -e 'audit-log-maxage=7' /tmp/before > /tmp/wanted || true
grep -vx -e '--kube-apiserver-arg=audit-log-maxage=30' /tmp/after > /tmp/seen || true
expect_equal "$(cat /tmp/wanted)" "$(cat /tmp/seen)" "all other words"
expect_equal "" "$(k3warden check audit-log-retention | grep ^divergent || true)" "the control holds at the next start"
expect_equal "" "$(k3warden diff | grep zz-k3warden.conf || true)" "a second time"
k3warden apply > /dev/null || true
expect_equal 1 $(($(reloads) - before)) "daemon-reloads after a second time"

# install.sh writes the unit anew and starts K3s: the door says that ours is old and reloads nothing.
write_unit() {
  printf '[Service]\nExecStart=\nExecStart=/usr/local/bin/k3s server %s\n' "$*" > /etc/systemd/system/k3s.service.d/10-traps.conf
  systemctl daemon-reload
}
write_unit --kube-apiserver-arg=audit-log-maxage=7
k3warden apply > /dev/null || true
write_unit --kube-apiserver-arg=audit-log-maxage=5 --debug
before=$(reloads)
expect_contains "$(k3warden check audit-log-retention || true)" "made for another command"
systemctl start k3s
wait_until 60 k3s_runs
expect_contains "$(journalctl -b -q -p crit -o cat --no-pager -u k3s)" "CRITICAL: $drop_in"
expect_equal 0 $(($(reloads) - before)) "daemon-reloads by the door"

# apply follows the unit, and the restart gate knows that the running K3s has another command.
expect_exit 1 k3warden apply
expect_contains "$output" "K3s runs with something else until its next start"
expect_equal 1 $(($(reloads) - before)) "daemon-reloads"
expect_equal "/usr/local/bin/k3s server --kube-apiserver-arg=audit-log-maxage=30 --debug" "$(words | tr '\n' ' ' | sed 's/ $//')" "the command"
expect_equal 1 "$(starts_of_k3s)" "starts"

# The daemon takes it away when the operator mends the unit, and has systemd read that.
start_daemon
write_unit --debug
wait_until 60 test ! -e "$drop_in"
wait_until 60 sh -c '[ "$(systemctl show -P NeedDaemonReload k3s)" = no ]'
expect_equal "/usr/local/bin/k3s server --debug" "$(words | tr '\n' ' ' | sed 's/ $//')" "the operator's command"

# And writes it again when it is needed again; revert takes it away and has systemd read that.
write_unit --kube-apiserver-arg=audit-log-maxage=5
wait_until 60 test -e "$drop_in"
wait_until 60 sh -c 'systemctl show -P ExecStart k3s | grep -q audit-log-maxage=30'
systemctl stop k3warden k3s
k3warden revert > /tmp/reverted || true
[ ! -e "$drop_in" ] || fail "it stays: $(cat /tmp/reverted)"
expect_contains "$(systemctl show -P ExecStart k3s)" "audit-log-maxage=5 "
