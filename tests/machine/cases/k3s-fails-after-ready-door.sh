# Without the daemon the door puts back a change of ours with which two starts ended by themselves: later, after a reboot, at first.
#@ limit 600
set_policy 'restart = { mode = "never", settle_time = "3s", settle_limit = "60s" }' "$(with_flags kubelet)"
offer_flags
install_k3s server
# put_back FLAG: two starts with it end by themselves, and the third goes without it.
put_backs=0
put_back() {
  put_backs=$((put_backs + 1))
  wait_until 120 put_backs_are $put_backs
  wait_until 60 k3s_runs
  expect_contains "$(journalctl --no-pager -q -b -o cat -u k3s)" "this stand-in refuses $1"
  if grep "$1" "$drop_in"; then fail "it is still there"; fi
  encryption_stands
  expect_equal $((starts + 3)) "$(starts_of_k3s)" "starts"
}
put_backs_are() { [ "$(journalctl --no-pager -q -b -o cat -u k3s | grep -c 'two starts ended by themselves')" = "$1" ]; }
starts=0

# The first start ever reads what K3s does not live with: all of ours goes but the line that its key needs.
echo 'event-burst=55' > /etc/k3s-standin/refuses
systemctl start k3s || true
put_back event-burst
expect_equal 1 "$(grep -c '^[a-z]' "$drop_in")" "lines of ours: $(cat "$drop_in")"
[ -e /var/lib/k3warden/quarantine.json ] || fail "not in quarantine"
expect_exit 1 k3warden apply
if grep event-burst "$drop_in"; then fail "it was written again"; fi

# An operator changes the policy, and it is written without the flag. Nobody watches; it counts as proven when it has lived on.
set_policy 'restart = { mode = "never", settle_time = "3s", settle_limit = "8s" }'
expect_exit 1 k3warden apply
expect_contains "$output" "K3s runs with something else"
expect_contains "$(cat "$drop_in")" "audit-log-maxage"
systemctl restart k3s
wait_until 60 k3s_runs
expect_exit 0 k3warden apply
sleep 9
systemctl restart k3s
wait_until 60 k3s_runs
settled audit-log-maxage || fail "nothing is proven"
good=$(sha256sum < "$drop_in")

# A flag of the scheduler, refused when the node is Ready.
echo 3 > /etc/k3s-standin/scheduler-after
echo 'kube-api-burst=55' > /etc/k3s-standin/refuses
set_policy 'restart = { mode = "never", settle_time = "3s", settle_limit = "60s" }' "$(with_flags scheduler)"
starts=$(starts_of_k3s)
systemctl restart k3s || true
put_back kube-api-burst
expect_equal "$good" "$(sha256sum < "$drop_in")" "our drop-in: what last worked"

# retry writes it once more; a reboot makes the next start.
expect_exit 0 k3warden retry
expect_contains "$output" "two starts with it ended"
expect_exit 1 k3warden apply
grep -q kube-api-burst "$drop_in"
echo "$good" > /root/good
systemctl enable -q k3s
#@ reboot
wait_until 120 journalctl --no-pager -q -b -u k3s --grep 'two starts ended by themselves'
wait_until 60 k3s_runs
expect_equal "$(cat /root/good)" "$(sha256sum < "$drop_in")" "our drop-in: what last worked"
encryption_stands
expect_equal 3 "$(starts_of_k3s)" "starts in this boot"
k3warden ledger --verify
