# An exception ends while the daemon runs: with the day, told of beforehand, and without anybody doing anything. And a writer that wants
# another value is fought once, told of with both values, and named: from inside the unit's sandbox. A pause holds all of it. The metrics
# say each of these.
#@ limit 600
date -s '2026-06-10 12:00' >/dev/null
set_policy 'metrics_file = "/var/lib/rancher/k3warden.prom"' '[[exception]]' 'control = "kernel-panic"' 'reason = "a crash is looked at by hand"' 'owner = "edge@example.com"' 'expires = 2026-06-10'
metric() { grep -qx "k3warden_$1" /var/lib/rancher/k3warden.prom; }
start_daemon
sysctl -q -w kernel.panic=3
sleep 3
expect_sysctl kernel.panic 3
expect_contains "$(k3warden check kernel-panic)" excepted
ends='exception_expiry_timestamp_seconds{control="kernel-panic"}'
wait_until 30 metric "$ends $(date -d 2026-06-11 +%s)"
wait_until 30 metric 'control_verdict{control="kernel-panic",verdict="excepted"} 1'
wait_until 30 metric 'suspended 0'
date -s '2026-06-11 00:00:30' >/dev/null
is_held() { [ "$(sysctl -n kernel.panic)" = 10 ]; }
wait_until 60 is_held
wait_until 20 told 'it ended on 2026-06-10, owner edge@example.com'
expect_exit 0 k3warden check kernel-panic
wait_until 30 metric 'control_verdict{control="kernel-panic",verdict="compliant"} 1'
wait_until 30 metric 'control_verdict{control="kernel-panic",verdict="excepted"} 0'
if metric "$ends .*"; then fail "an exception that ended has an end to come"; fi

# A pause: nothing is repaired until it is ended, and then at once.
k3warden pause --for 2h --reason "a visit"
wait_until 30 metric 'suspended 1'
sysctl -q -w kernel.panic=3
sleep 2
expect_sysctl kernel.panic 3
k3warden pause --end
wait_until 30 is_held
wait_until 30 metric 'suspended 0'

# The fight.
if metric 'contended{.*'; then fail "there is a fight before it began"; fi
bash -c 'while :; do echo 7 >/proc/sys/kernel/panic; sleep 0.1; done' &
writer=$!
wait_until 60 told 'keeps setting /proc/sys/kernel/panic to 7; it was set to 10'
wait_until 30 metric 'contended{thing="/proc/sys/kernel/panic"} [1-9][0-9]*'
told "keeps setting" | grep -q "$writer" || fail "the writer is not named: $(told 'keeps setting')"
kill "$writer"
wait_until 120 is_held
expect_equal 1 "$(times_told 'keeps setting /proc/sys/kernel/panic')" "times told"
