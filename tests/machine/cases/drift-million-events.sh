# A million events in all watched directories with a short queue: the daemon ends right, in bounded memory, and idles again.
#@ limit 600
sysctl -q -w fs.inotify.max_queued_events=256
# A K3s that is installed has the most that is watched; that it runs would only take time.
install_k3s server
mkdir -p /etc/rancher/k3s/config.yaml.d /var/lib/rancher/k3s/{agent/etc/kubelet.conf.d,server/{cred,db,tls}}
install_units
# Emulated, one look at everything takes seconds beside them.
mkdir -p /etc/systemd/system/k3warden.service.d
printf '[Service]\nWatchdogSec=120\n' >/etc/systemd/system/k3warden.service.d/10-emulated.conf
systemctl daemon-reload
systemctl start k3warden
pid=$(systemctl show -P MainPID k3warden)
server=/var/lib/rancher/k3s/server
resident() { awk '/^VmHWM/ { print $2 }' "/proc/$pid/status"; }
before=$(resident)
# watched: the directories of which the daemon hears each name, as the kernel has them: a mask with IN_MOVE.
watched() {
  find / /run -xdev -path /proc -prune -o -type d -printf '%D %i %p\n' | perl -e 'my %watched;
    for my $info (glob "/proc/$ARGV[0]/fdinfo/*") {
      open(my $in, "<", $info) or next;
      while (<$in>) {
        next unless /^inotify wd:\S+ ino:(\S+) sdev:(\S+) mask:(\S+)/ && hex($3) & 0xc0;
        # The kernel keeps 20 bits of minor number, and shows programs 8 below the major one.
        my ($major, $minor) = (hex($2) >> 20, hex($2) & 0xfffff);
        $watched{($minor & 0xff | $major << 8 | ($minor & ~0xff) << 12) . " " . hex $1} = 1;
      }
    }
    while (<STDIN>) { print "$2\n" if /^(\S+ \S+) (.*)/ && delete $watched{$1} }
    die "watched and not found: @{[%watched]}" if %watched' "$pid"
}
# A rename is two events. Four writers at full speed, since more would only take the machine from the daemon: two that go round and round
# all directories under names that nobody holds, and two under names of which each event may change what the next boot sets or what K3s reads.
write_everywhere() { # RENAMES DIRECTORY...
  perl -e 'my ($renames, @dirs) = @ARGV; my ($one, $other, $at_once) = ("noise.$$.a", "noise.$$.b", 100);
    for (my $made = 0; $made < $renames; ) {
      for my $dir (@dirs) {
        chdir $dir or die "$dir: $!"; open(my $f, ">", $one) or die "$dir: $!";
        for (1 .. $at_once / 2) { rename($one, $other) or die; rename($other, $one) or die; }
        unlink $one; $made += $at_once;
      }
    }' "$@"
}
write_in() { # DIRECTORY NAME NAME RENAMES
  perl -e 'my ($dir, $one, $other, $renames) = @ARGV; chdir $dir or die; open(my $f, ">", $one) or die;
    for (1 .. $renames / 2) { rename($one, $other) or die; rename($other, $one) or die; } unlink $one;' "$@"
}
watched >/root/watched
mapfile -t directories </root/watched
printf '%s\n' "${#directories[@]} directories are watched:" "${directories[@]}"
for directory in $server /etc/sysctl.d /etc/rancher/k3s/config.yaml.d /etc/systemd/system/k3s.service.d /run/systemd/units /usr/local/bin; do
  grep -qxF "$directory" /root/watched || fail "$directory is not watched"
done
write_everywhere 125000 "${directories[@]}" &
write_everywhere 125000 "${directories[@]}" &
write_in /etc/sysctl.d 10-noise.conf 95-noise.conf 125000 &
write_in /etc/rancher/k3s/config.yaml.d 10-noise.yaml 95-noise.yaml 125000 &
for job in $(jobs -p); do wait "$job"; done
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
# Idle again: no more than the timers' turns in five seconds. What the last events asked for is done before that, and a machine that
# is stopped for a moment by its own host counts that moment as ours.
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
is_idle() { local first; first=$(ticks); sleep 5; spent=$(($(ticks) - first)); echo "$spent ticks of 10 ms in 5 s" >>/root/spent; [ "$spent" -le 25 ]; }
wait_until 60 is_idle
cat /root/spent
expect_exit 0 k3warden ledger --verify
