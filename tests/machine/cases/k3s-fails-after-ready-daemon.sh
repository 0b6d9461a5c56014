# With the daemon a change of ours that ends K3s only after READY is put back to what last worked, once, under auto and under never.
#@ limit 600
rules='settle_time = "3s", settle_limit = "120s", jitter = "0s", minimum_interval = "0s", per_day = 50'
policy() { # MODE LINE...
  set_policy "on_disable = \"revert\"" "restart = { mode = \"$1\", $rules }" "${@:2}"
}
# The node is Ready some seconds after READY, and only then the scheduler's flags are judged.
mkdir -p /etc/k3s-standin && echo 4 > /etc/k3s-standin/scheduler-after
offer_flags
unprotected=$'[control.protect-kernel-defaults]\nstate = "off"'
policy auto "$unprotected"
install_k3s server
start_daemon
systemctl start k3s
wait_until 120 settled secrets-encryption

# A change that works: one restart, and it is what is put back from then on.
run=$(run_of_k3s)
policy auto "$unprotected" "$(with_flags kubelet)"
systemctl reload k3warden
wait_until 120 settled event-burst
[ "$run" != "$(run_of_k3s)" ] || fail "K3s was not restarted"
expect_contains "$(k3s_arguments kubelet)" "event-burst=55"
wait_until 20 told 'has settled'
good=$(sha256sum < "$drop_in")

# put_back REASON: the change that was just made ends K3s, is put back by itself, and nothing goes round in circles.
alarms=0
put_back() {
  alarms=$((alarms + 1))
  wait_until 120 alarms_are $alarms
  expect_contains "$(told 'did not live with the last change' crit | tail -n 1)" "$1"
  wait_until 60 k3s_runs
  expect_equal "$good" "$(sha256sum < "$drop_in")" "our drop-in: what last worked"
  encryption_stands
  expect_contains "$(cat /var/lib/k3warden/quarantine.json)" "$1"
  wait_until 60 status_has '"in_step": *true'
  # One start with the change and one without; one more where systemd, after five seconds, was quicker than the put-back.
  local grown=$(($(starts_of_k3s) - starts))
  [ "$grown" -ge 2 ] && [ "$grown" -le 3 ] || fail "$grown starts for a change that failed"
}
alarms_are() { [ "$(times_told 'did not live with the last change')" = "$1" ]; }

# auto: a flag of the scheduler.
echo 'kube-api-burst=55' > /etc/k3s-standin/refuses
starts=$(starts_of_k3s)
policy auto "$unprotected" "$(with_flags kubelet scheduler)"
systemctl reload k3warden
put_back 'scheduler exited'
# Where systemd's own start came before the put-back it read the bad part once more, and then we start K3s anew.
quicker=$(($(starts_of_k3s) - starts - 2))
expect_exit 1 k3warden check
expect_contains "$(k3warden diff 2>&1)" "k3warden retry"

# never: the next natural start takes a change, systemd's own Restart= the put-back. A flag of the kubelet.
echo 'registry-burst=55' > /etc/k3s-standin/refuses
policy never "$unprotected" "$(with_flags kubelet other)"
systemctl reload k3warden
wait_until 30 grep -q registry-burst "$drop_in"
wait_until 90 status_has 'restart.mode is'
starts=$(starts_of_k3s)
systemctl restart k3s || true
put_back 'kubelet exited'

# never: a kernel value that somebody in another procfs sets wrong between the door and the kubelet.
printf '[Service]\nExecStartPre=/usr/bin/unshare -p -f --mount-proc sysctl -q -w kernel.panic=3\n' \
  > /etc/systemd/system/k3s.service.d/90-tuned.conf
systemctl daemon-reload
policy never "$(with_flags kubelet)"
systemctl reload k3warden
wait_until 30 grep -q protect-kernel-defaults "$drop_in"
starts=$(starts_of_k3s)
systemctl restart k3s || true
put_back 'invalid kernel flag'
expect_equal $((2 + quicker)) "$(times_told 'restarting K3s')" "restarts by us, in all: both under auto, and one if systemd was quicker"
sleep 8
expect_equal $alarms "$(times_told 'did not live with the last change')" "alarms: no loop"
# After a reboot the first start reads a change of ours: the flag of the kubelet once more.
policy never "$unprotected" "$(with_flags kubelet other)"
rm /etc/systemd/system/k3s.service.d/90-tuned.conf
systemctl enable -q k3s k3warden
systemctl reload k3warden
wait_until 30 grep -q registry-burst "$drop_in"
#@ reboot
wait_until 90 told 'did not live with the last change' crit
wait_until 60 k3s_runs
if grep registry-burst "$drop_in"; then fail "it is still there"; fi
grep -q event-burst "$drop_in"
encryption_stands
wait_until 90 status_has '"in_step": *true'
[ "$(starts_of_k3s)" -le 3 ] || fail "$(starts_of_k3s) starts in this boot"
k3warden ledger --verify
