# A million events with a short queue: the daemon ends right, in bounded memory, and idles again.
#@ limit 600
sysctl -q -w fs.inotify.max_queued_events=256
set_policy 'role = "server"'
install_units
systemctl start k3warden
pid=$(systemctl show -P MainPID k3warden)
server=/var/lib/rancher/k3s/server
resident() { awk '/^VmHWM/ { print $2 }' "/proc/$pid/status"; }
before=$(resident)
# A rename is two events. Two writers at full speed, in directories whose names are held.
writer() {
  perl -e 'my ($dir, $count) = @ARGV; chdir $dir or die; open(my $f, ">", "noise.a") or die;
    for (1 .. $count) { rename("noise.a", "noise.b"); rename("noise.b", "noise.a"); } unlink "noise.a";' "$1" "$2"
}
writer $server 125000 &
writer /etc/sysctl.d 125000 &
wait
chmod 777 $server/logs
printf 'wrong' >$server/audit.yaml
sysctl -q -w kernel.panic=0
wait_until 120 k3warden diff
expect_mode 700 $server/logs
expect_sysctl kernel.panic 10
expect_contains "$(journalctl --no-pager -q -t k3warden -o cat)" "the kernel dropped events"
after=$(resident)
echo "highest resident memory in KiB: $before before, $after after"
[ $((after - before)) -le 2048 ] || fail "memory grew from $before to $after KiB"
expect_equal "$pid" "$(systemctl show -P MainPID k3warden)" "main PID"
# Idle again: no more than the timers' turns.
sleep 3
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
first=$(ticks); sleep 5; last=$(ticks)
[ $((last - first)) -le 25 ] || fail "$((last - first)) ticks of 10 ms in 5 s without events"
expect_exit 0 k3warden ledger --verify
