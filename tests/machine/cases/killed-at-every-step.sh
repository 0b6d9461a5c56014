# Killed before any call by which apply or revert changes something, live values too: the ledger verifies, the next run ends the work.
#@ limit 900
# SIGKILL comes before the call is made: what was done is what the calls before it did. Calls that only read are left out, because a death
# there leaves what a death before the next change leaves; so are those on the text in the lock file. tests/crash.rs does the same to K3s's
# files in a tree; here it is a live node, with the kernel's own values.
keys="vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes"
file=/etc/sysctl.d/90-kubelet.conf

# killed-at NUMBER COMMAND...: kills it before its call of that number, counted over all that change something, and tells its name;
# 0 kills nothing and tells how many there are. strace would stop at each call, for five seconds a run; its --seccomp-bpf injects no signal.
cat >/usr/local/bin/killed-at <<'END'
#!/usr/bin/perl
use strict;
use warnings;
no warnings 'portable';
my ($number, @command) = @ARGV;
my %calls = (1 => 'write', 18 => 'pwrite64', 20 => 'writev', 74 => 'fsync', 75 => 'fdatasync', 77 => 'ftruncate', 91 => 'fchmod',
  93 => 'fchown', 190 => 'fsetxattr', 257 => 'openat', 258 => 'mkdirat', 260 => 'fchownat', 263 => 'unlinkat', 264 => 'renameat',
  265 => 'linkat', 266 => 'symlinkat', 268 => 'fchmodat', 280 => 'utimensat', 285 => 'fallocate', 316 => 'renameat2');
use constant { PTRACE => 101, SECCOMP => 317, TRACEME => 0, CONT => 7, SETOPTIONS => 0x4200 };
# The filter: load the call's number; stop at those above, at openat only where its flags make a file (O_CREAT, O_TMPFILE);
# by openat2 we make none.
my @stop = map { [0x15, $_] } grep { $_ != 257 } sort { $a <=> $b } keys %calls;
my @filter = ([0x20, 0, 0, 0], map { [0x15, 0, 0, $_->[1]] } @stop);
for my $i (1 .. @stop) { $filter[$i][1] = @stop - $i + 3 }
push @filter, [0x15, 0, 3, 257], [0x20, 0, 0, 32], [0x45, 0, 1, 0x400040], [0x06, 0, 0, 0x7ff00000], [0x06, 0, 0, 0x7fff0000];
my $code = pack '(SCCL)*', map { @$_ } @filter;
my $program = pack 'S x6 P', scalar @filter, $code;
my $pid = fork // die "fork: $!";
if (!$pid) {
  syscall(PTRACE, TRACEME, 0, 0, 0) == 0 or die "ptrace: $!";
  kill 'STOP', $$;
  syscall(SECCOMP, 1, 0, $program) == 0 or die "seccomp: $!";
  exec @command or die "exec: $!";
}
# call: the name of the call that it is about to make, unless that is on the lock file, whose text is for people.
sub call {
  open my $in, '<', "/proc/$pid/syscall" or die "syscall: $!";
  my ($nr, $first, $second) = split ' ', <$in>;
  if ($nr == 257) {
    open my $memory, '<:raw', "/proc/$pid/mem" or die "mem: $!";
    sysseek $memory, hex $second, 0;
    sysread $memory, my $path, 5;
    return if $path eq "lock\0";
  }
  return if (readlink("/proc/$pid/fd/" . hex $first) // '') =~ m{/lock$};
  return $calls{$nr};
}

waitpid $pid, 0;
# End with us; tell of seccomp and of children, which must be traced too but are not killed.
syscall(PTRACE, SETOPTIONS, $pid, 0, 0x100000 | 0x80 | 0x2 | 0x4 | 0x8) == 0 or die "ptrace: $!";
syscall(PTRACE, CONT, $pid, 0, 0);
my $count = 0;
while ((my $who = waitpid -1, 0x40000000) > 0) {
  my $status = ${^CHILD_ERROR_NATIVE};
  if (($status & 0xff) != 0x7f) {
    next if $who != $pid;
    print STDERR "$count\n" if !$number;
    exit($status & 0x7f ? 128 + ($status & 0x7f) : $status >> 8);
  }
  my ($signal, $event) = ($status >> 8 & 0xff, $status >> 16);
  if ($event == 7 && $who == $pid && (my $call = call())) {
    if (++$count == $number) {
      print STDERR "$call\n";
      kill 'KILL', $pid;
      next;
    }
  }
  syscall(PTRACE, CONT, $who, 0, $event || $signal == 19 || $signal == 5 ? 0 : $signal);
}
END
chmod 755 /usr/local/bin/killed-at

# seen: what a run may change here. Read by bash alone, because a program takes long to start.
seen() {
  local key
  for key in $keys; do echo "$key $(</proc/sys/$key)"; done
  stat -c '%n %F %a %U:%G' /etc/sysctl.d /etc/sysctl.d/* /etc/sysctl.d/.[!.]*
  echo "$(<$file)"
}
# half_done: what is neither as before nor as after: a value, a mode, a name that somebody loads, the file's content as a whole.
half_done() {
  local line content
  content=$(<$file)
  [ "$content" = "$content_before" ] || [ "$content" = "$content_after" ] || echo "$file: $content"
  while read -r line; do
    case $'\n'$before$'\n'$after$'\n' in *$'\n'"$line"$'\n'*) continue ;; esac
    case $line in "/etc/sysctl.d/.k3warden-"*".tmp regular"*) continue ;; esac
    echo "$line"
  done < <(seen)
}
# by_itself COMMAND: a run that nobody kills, and what it printed in /tmp/said.
by_itself() {
  local code=0
  k3warden "$@" >/tmp/said 2>&1 || code=$?
  expect_equal 0 "$code" "$where, then $*: $(cat /tmp/said); exit code"
}

shopt -s nullglob
printf '# of the operator\nkernel.panic = 5\n' >$file
sysctl -q -w kernel.keys.root_maxkeys=2000
describe_tree /etc /var/lib >/root/before
before=$(seen) content_before=$(<$file) where="before all"
declare -A places
places[apply]=$(killed-at 0 k3warden apply 2>&1 >/dev/null)
after=$(seen) content_after=$(<$file)
[ "$before" != "$after" ] || fail "the comparison sees no difference where there is one"
places[revert]=$(killed-at 0 k3warden revert 2>&1 >/dev/null)
expect_equal "$before" "$(seen)" "after a revert that nobody killed"

for command in apply revert; do
  # Four values and a file take more than that.
  [ "${places[$command]}" -ge 20 ] || fail "$command makes ${places[$command]} calls that change something"
  for ((number = 1; number <= places[$command]; number++)); do
    # As on the first day.
    rm -rf /var/lib/k3warden /run/k3warden
    [ $command = apply ] || by_itself apply
    code=0
    call=$(killed-at $number k3warden $command 2>&1 >/dev/null) || code=$?
    where="$command killed at $number, $call"
    echo "$call" >>/root/$command
    expect_equal 137 "$code" "$where: exit code"
    expect_equal "" "$(half_done)" "$where: half done"
    by_itself ledger --verify
    # Taken back at once, or after a run that completes.
    if [ $((number % 2)) = 0 ]; then
      by_itself apply
      expect_equal "$after" "$(seen)" "$where, then apply"
      by_itself check
    fi
    by_itself revert
    expect_equal "$before" "$(seen)" "$where, then revert"
  done
  echo "$command, killed before $(sort /root/$command | uniq -c | xargs), $SECONDS s"
done
rm -rf /var/lib/k3warden
describe_tree /etc /var/lib >/root/after
diff /root/before /root/after || fail "not everything is as before"
