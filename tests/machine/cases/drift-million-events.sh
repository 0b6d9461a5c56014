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
# A rename is two events. Writers at full speed: two under names that nobody holds, two under names of which each event may change what
# the next boot sets or what K3s reads.
writer() { # DIRECTORY NAME NAME
  perl -e 'my ($dir, $one, $other) = @ARGV; chdir $dir or die; open(my $f, ">", $one) or die;
    for (1 .. 62500) { rename($one, $other); rename($other, $one); } unlink $one;' "$1" "$2" "$3"
}
mkdir -p /etc/rancher/k3s/config.yaml.d
writer $server noise.a noise.b &
writer /etc/sysctl.d noise.a noise.b &
writer /etc/sysctl.d 10-noise.conf 95-noise.conf &
writer /etc/rancher/k3s/config.yaml.d 10-noise.yaml 95-noise.yaml &
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
