# An exception ends while the daemon runs: with the day, told of beforehand, and without anybody doing anything. And a writer that wants
# another value is fought once, told of with both values, and named: from inside the unit's sandbox.
#@ limit 300
date -s '2026-06-10 12:00' >/dev/null
set_policy '[[exception]]' 'control = "kernel-panic"' 'reason = "a crash is looked at by hand"' 'owner = "edge@example.com"' 'expires = 2026-06-10'
start_daemon
sysctl -q -w kernel.panic=3
sleep 3
expect_sysctl kernel.panic 3
expect_contains "$(k3warden check kernel-panic)" excepted
date -s '2026-06-11 00:00:30' >/dev/null
is_held() { [ "$(sysctl -n kernel.panic)" = 10 ]; }
wait_until 60 is_held
wait_until 20 told 'it ended on 2026-06-10, owner edge@example.com'
expect_exit 0 k3warden check kernel-panic

# The fight.
bash -c 'while :; do echo 7 >/proc/sys/kernel/panic; sleep 0.1; done' &
writer=$!
wait_until 60 told 'keeps setting /proc/sys/kernel/panic to 7; it was set to 10'
told "keeps setting" | grep -q "$writer" || fail "the writer is not named: $(told 'keeps setting')"
kill "$writer"
wait_until 120 is_held
expect_equal 1 "$(times_told 'keeps setting /proc/sys/kernel/panic')" "times told"
