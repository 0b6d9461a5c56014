# Sourced by every part of a case, in the guest, under bash -Eeuo pipefail. A failed expectation ends the case and names the line.

# Called where something is wrong; $1 says what. The place is the case's line that asked.
fail() {
  local depth=0 where
  while where=$(caller "$depth"); do
    case $where in *' /share/'*.sh) depth=$((depth + 1)) ;; *) break ;; esac
  done
  echo "$CASE.sh:${where%% *}: $1"
  # What K3s and k3warden did says more than what was expected of them.
  if [ -e /usr/local/bin/k3s ]; then
    timeout 20 journalctl --no-pager -q -b -o short-monotonic -u k3s -u k3s-agent -u k3warden | grep -v 'Running ' | cut -c 1-220 > /tmp/told || true
    head -n -60 /tmp/told | grep 'k3warden\[' || true
    tail -n 60 /tmp/told
    grep -s -A 12 '"k3s": {' /run/k3warden/status.json || true
  fi
  exit 1
}

# expect_equal WANTED SEEN [WHAT]
expect_equal() {
  [ "$1" = "$2" ] || fail "${3:-value}: wanted '$1', saw '$2'"
}

# expect_contains TEXT PART
expect_contains() {
  case $1 in *"$2"*) ;; *) fail "wanted '$2' in:
$1" ;; esac
}

# expect_exit CODE COMMAND...: what the command prints (both streams) is left in $output.
expect_exit() {
  local wanted=$1 seen=0
  shift
  output=$("$@" 2>&1) || seen=$?
  [ "$wanted" = "$seen" ] || fail "$*: wanted exit code $wanted, saw $seen; it printed:
$output"
}

# expect_mode MODE PATH...: permission bits in octal, owner root:root.
expect_mode() {
  local mode=$1 path
  shift
  for path; do expect_equal "$mode root:root" "$(stat -c '%a %U:%G' "$path")" "mode and owner of $path"; done
}

# expect_sysctl KEY VALUE: the live value.
expect_sysctl() {
  expect_equal "$2" "$(sysctl -n "$1")" "live $1"
}

# wait_until SECONDS COMMAND...: the machine is emulated, so be generous. A question that costs much is asked seldom, so that asking does
# not slow down what is waited for; one that only the journal answers is asked again once that has changed. Waiting takes no process.
exec {nothing_comes}<> <(:)
wait_until() {
  local end=$((SECONDS + $1)) seconds=$1 asked took pause
  shift
  rm -f "$journal_was_asked"
  while :; do
    asked=${EPOCHREALTIME/./} took=0
    if journal_may_answer "$1" || [ "$SECONDS" -ge "$end" ]; then
      if "$@" >/dev/null 2>&1; then return; fi
      [ "$SECONDS" -lt "$end" ] || fail "not within $seconds s: $*"
      took=$((${EPOCHREALTIME/./} - asked))
    fi
    # Microseconds: at least 0.2 s, at most 2 s.
    took=$((took < 100000 ? 200000 : took > 1000000 ? 2000000 : 2 * took))
    printf -v pause '%d.%06d' $((took / 1000000)) $((took % 1000000))
    read -r -t "$pause" -u "$nothing_comes" || true
  done
}

# journal_may_answer COMMAND: unless it asks the journal alone, and that is as it was when last asked. journald touches its file after
# what it has written (journal_file_post_change of systemd); the mark is made before the question, and has to be newer than the file.
# Should that ever be missed, it is asked some seconds later.
journal_was_asked=/run/journal-was-asked
only_the_journal_answers=" told "
journal_may_answer() {
  local file changed=no
  [[ $only_the_journal_answers = *" $1 "* ]] || return 0
  [ -e "$journal_was_asked" ] && [ "$SECONDS" -lt $((journal_was_asked_at + 5)) ] || changed=yes
  for file in /var/log/journal/*/*.journal; do
    [ -e "$file" ] && [ "$journal_was_asked" -nt "$file" ] || changed=yes
  done
  [ $changed = yes ] || return 1
  journal_was_asked_at=$SECONDS
  echo >"$journal_was_asked"
}

# describe_tree PATH...: one line for each file below, with type, mode, owner, link target, content's digest and extended attributes.
describe_tree() {
  find "$@" -xdev -printf '%p %y %m %U:%G %l\n' | sort
  find "$@" -xdev -type f -print0 | sort -z | xargs -0 -r sha256sum
  getfattr -h -d -m - -R --absolute-names -- "$@" 2>/dev/null
}

# describe_host: all that a package could leave behind. Every path with type, mode, owner, size and link target; the contents and extended
# attributes of what is in /etc and /var, and elsewhere the time of the last change of either, which nobody can set; what bears our name
# where the case, the bed, the journal and the package managers write, too; live kernel parameters.
describe_host() {
  local skip=() path
  local written_meanwhile=(/share /tmp /var/tmp /root /var/log/journal /var/log/apt /var/log/dpkg.log /var/cache /var/lib/dpkg /var/lib/apt
    /var/lib/rpm)
  for path in "${written_meanwhile[@]}"; do
    skip+=(-path "$path" -prune -o)
  done
  find / -xdev "${skip[@]}" -path /etc -prune -o -path /var -prune -o -type f -printf '%p %y %m %U:%G %s %C@\n' -o -printf '%p %y %m %U:%G %l\n' |
    sort
  find /etc /var -xdev "${skip[@]}" -type f -printf '%p %y %m %U:%G %s\n' -o -printf '%p %y %m %U:%G %l\n' | sort
  find /etc /var -xdev "${skip[@]}" -type f -print0 | sort -z | xargs -0 -r sha256sum | awk '{ print $2, $1 }'
  # A line for each file that has some.
  find /etc /var -xdev "${skip[@]}" -print0 | sort -z | xargs -0 -r getfattr -h -d -m - --absolute-names 2>/dev/null |
    awk -v RS= '{ sub(/^# file: /, ""); gsub(/\n/, " "); print }'
  find /run /tmp /var/tmp /var/log /var/cache /var/lib/dpkg /var/lib/apt /var/lib/rpm \( -name '*k3warden*' -o -name host-sysctl \) \
    -printf '%p %y %m %U:%G\n' 2>/dev/null | sort
  # What counts, or is worked out from the memory free at boot, is no setting.
  sysctl -a 2>/dev/null | grep -vE '^(fs\.(dentry-state|file-nr|inode-nr|inode-state|quota|aio-nr)|kernel\.(random|ns_last_pid|pty\.nr|sched)|net\.netfilter|vm\.(user|admin)_reserve_kbytes)' | sort
}

# expect_given_back BEFORE [MODE PATH]...: the host is to the byte what describe_host wrote into BEFORE, but for these, each of which is now
# there with this mode, and was not as it is. That something else is there, and that one of these is as before, are failures both.
expect_given_back() {
  local before=$1 mode path
  shift
  describe_host >/root/after
  diff "$before" /root/after | grep "^[<>]" >/root/difference || true
  while [ $# -gt 0 ]; do
    mode=$1 path=$2
    shift 2
    awk -v path="$path" '$2 == path { differs = 1; next } { print } END { exit !differs }' /root/difference >/root/left ||
      fail "$path is as it was before, and should not be"
    mv /root/left /root/difference
    expect_mode "$mode" "$path"
  done
  expect_equal "" "$(cat /root/difference)" "what is left, or gone too"
}

# What a K3s writes that begins its cluster after the host was described (tests/standin/k3s.rs, make_state and make_key), for
# expect_given_back; and what we leave to it when its cluster began with encryption: the line that says so, and directories of ours that its
# data are in.
begun_by_k3s=(
  700 /var/lib/rancher/k3s/agent
  700 /var/lib/rancher/k3s/agent/etc
  700 /var/lib/rancher/k3s/agent/etc/kubelet.conf.d
  600 /var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf
  700 /var/lib/rancher/k3s/server/cred
  600 /var/lib/rancher/k3s/server/cred/encryption-config.json
  755 /var/lib/rancher/k3s/server/db
)
left_to_k3s=(
  755 /etc/rancher/k3s/config.yaml.d
  600 /etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml
  755 /var/lib/rancher
  755 /var/lib/rancher/k3s
  700 /var/lib/rancher/k3s/server
)

# expect_stays SAID PATH...: purge, whose words are in SAID, lists these and no others.
expect_stays() {
  local said=$1
  shift
  expect_equal "$(printf '%s\n' "$@" | sort)" "$(sed -En 's/^stays( yet)? +([^:]*): .*/\2/p' "$said" | sort)" "what purge lists as staying"
}

# install_k3s server|agent [ARGUMENT...]: the stand-in for K3s with its unit, and k3warden's door in front of it.
install_k3s() {
  install -m 0755 /share/k3s-standin /usr/local/bin/k3s
  mkdir -p /etc/k3s-standin
  write_k3s_unit "$@"
}

# write_k3s_unit server|agent [ARGUMENT...]: as install.sh writes it; with the door, where no package brings it.
write_k3s_unit() {
  local role=$1 unit=k3s argument
  shift
  [ "$role" = server ] || unit=k3s-agent
  mkdir -p /etc/rancher/k3s "/etc/systemd/system/$unit.service.d"
  {
    printf '[Unit]\nAfter=network-online.target\n[Install]\nWantedBy=multi-user.target\n[Service]\nType=notify\n'
    printf 'EnvironmentFile=-/etc/default/%%N\nEnvironmentFile=-/etc/systemd/system/%s.service.env\n' "$unit"
    printf 'KillMode=process\nTimeoutStartSec=0\nTimeoutStopSec=20\nRestart=always\nRestartSec=5s\n'
    printf 'ExecStart=/usr/local/bin/k3s \\\n    %s \\\n' "$role"
    for argument; do printf "\t'%s' \\\\\n" "$argument"; done
    printf '\n'
  } > "/etc/systemd/system/$unit.service"
  # The package brings its own door.
  if [ -e /share/k3warden.deb ]; then
    rmdir "/etc/systemd/system/$unit.service.d"
  else
    printf '[Service]\nExecStartPre=-/usr/bin/k3warden apply --before-start %%n\n' \
      > "/etc/systemd/system/$unit.service.d/50-k3warden-door.conf"
  fi
  systemctl daemon-reload
}

# repack DEB VERSION OUT: the same package under another version.
repack() {
  rm -rf /root/repacked
  dpkg-deb -R "$1" /root/repacked
  sed -i "s/^Version: .*/Version: $2/" /root/repacked/DEBIAN/control
  dpkg-deb -b /root/repacked "$3" >/dev/null
}

# provide_to_rpm: a package without files that provides what this Debian has, so that rpm checks dependencies as it would elsewhere; and
# the directories that belong to the package `filesystem` on RPM systems.
provide_to_rpm() {
  mkdir -p /usr/share/{fish/vendor_completions.d,licenses,man/man{1,5,8},zsh/site-functions}
  mkdir -p /root/rpmbuild/SPECS
  printf '%s\n' 'Name: debian-provides' 'Version: 1' 'Release: 1' 'Summary: what this machine has' 'License: none' 'AutoReqProv: no' \
    'Provides: /bin/sh' 'Provides: systemd = 252' '%description' 'For tests.' '%files' >/root/rpmbuild/SPECS/debian.spec
  rpmbuild -bb --quiet --nodeps --define "_topdir /root/rpmbuild" /root/rpmbuild/SPECS/debian.spec
  rpm -i /root/rpmbuild/RPMS/*/debian-provides-1-1.*.rpm
}

# set_policy LINE...: the whole of the operator's policy. Settling is quick, since nothing here takes long.
set_policy() {
  mkdir -p /etc/k3warden
  printf '%s\n' "$@" > /etc/k3warden/config.toml
}

# start_daemon: k3warden watch in the packages' unit, sandbox and all; what tmpfiles makes there is made here. Here systemd alone
# takes several seconds to build that sandbox.
start_daemon() {
  mkdir -p /etc/rancher /var/lib/rancher /var/lib/cni /etc/systemd/system/k3warden.service.d
  cp /share/k3warden.service /etc/systemd/system/
  printf '[Service]\nTimeoutStartSec=120\nWatchdogSec=120\n' > /etc/systemd/system/k3warden.service.d/10-emulated.conf
  systemctl daemon-reload
  systemctl start k3warden
}

# install_units: the package's units with their sandbox, where the package puts them (packaging/build). Nothing is started.
install_units() {
  local unit
  for unit in k3warden k3warden-apply; do
    install -D -m 0644 "/share/$unit.service" "/usr/lib/systemd/system/$unit.service"
  done
  install -D -m 0644 /share/k3warden.tmpfiles /usr/lib/tmpfiles.d/k3warden.conf
  for unit in k3s.service.d k3s-.service.d; do
    install -D -m 0644 /share/k3s-door.conf "/usr/lib/systemd/system/$unit/10-k3warden.conf"
  done
  # An emulated machine beside other emulated machines needs ten times as long as a real one for its first pass.
  mkdir -p /run/systemd/system/k3warden.service.d
  printf '[Service]\nTimeoutStartSec=200\n' >/run/systemd/system/k3warden.service.d/10-emulated.conf
  systemd-tmpfiles --create k3warden.conf
  systemctl daemon-reload
}

# daemon_runs_since INVOCATION: the daemon is another run than that one, and ready.
daemon_runs_since() {
  [ "$(systemctl show -P InvocationID k3warden)" != "$1" ] && systemctl is-active -q k3warden
}

# k3s_is_active: the unit is. Without a process it is not, which is seen without asking systemd: asking costs a good deal more.
k3s_is_active() {
  local populated
  { read -r populated </sys/fs/cgroup/system.slice/k3s.service/cgroup.events; } 2>/dev/null || return 1
  [ "$populated" = "populated 1" ] || return 1
  systemctl is-active -q k3s
}

# k3s_runs: the unit is active and has written its scheduler's line since its last start.
k3s_runs() {
  k3s_is_active || return 1
  grep -q 'Starting Kubernetes Scheduler' <<< "$(journal_of_k3s)"
}

# journal_of_k3s: what the present run has logged.
journal_of_k3s() {
  journalctl --no-pager -q -o cat "_SYSTEMD_INVOCATION_ID=$(run_of_k3s)"
}

# run_of_k3s: systemd's name for the present run.
run_of_k3s() {
  systemctl show -P InvocationID k3s
}

# k3s_arguments COMPONENT: what the present run logged.
k3s_arguments() {
  journal_of_k3s | grep "Running $1 "
}

# starts_of_k3s [UNIT]: how often it was started in this boot.
starts_of_k3s() {
  journalctl --no-pager -q -b -o cat -u "${1:-k3s}" | grep -c 'Starting k3s v' || true
}

# stays_small: the daemon, asleep on its first pass's results, has no more in memory than docs/benchmarks.md promises.
stays_small() {
  local resident_kib limit_kib=4096
  resident_kib=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$(systemctl show -P MainPID k3warden)/status")
  echo "the daemon's resident memory: $resident_kib KiB"
  [ "$resident_kib" -le "$limit_kib" ] || fail "the daemon has $resident_kib KiB in memory"
}

# told TEXT [PRIORITY]: k3warden's daemon told the journal so, in this boot.
told() {
  journalctl --no-pager -q -b -t k3warden -p "${2:-debug}" -o cat --grep "$1"
}

# times_told TEXT: how often.
times_told() {
  journalctl --no-pager -q -b -t k3warden -o cat --grep "$1" | grep -c . || true
}

# settled TEXT: a part of ours with this text in it has settled, and can be put back later.
settled() {
  grep -qs -- "$1" /var/lib/k3warden/last-good.json
}

# status_has TEXT: the daemon has published it.
status_has() {
  grep -qs -- "$1" /run/k3warden/status.json
}

drop_in=/etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml

# encryption_stands: once there is a key, the line that says so is never taken away.
encryption_stands() {
  [ -e /var/lib/rancher/k3s/server/cred/encryption-config.json ] || fail "there is no key"
  expect_equal 1 "$(grep -c '^secrets-encryption: true' "$drop_in")" "encryption lines"
}

# only_encryption_stands: and nothing else of what was written beside it.
only_encryption_stands() {
  expect_equal "secrets-encryption: true" "$(sed -e 's/ *#.*//' -e '/^$/d' "$drop_in")" "lines of ours that are left"
}

# offer_flags: controls that are off until the policy turns them on (enforces NAME-flag), each for one flag of a component. A file
# of the stand-in's, `refuses`, says which of them K3s does not live with.
offer_flags() {
  local name component flag
  mkdir -p /etc/k3warden/catalogue.d
  while read -r name component flag; do
    printf '[[control]]\nid = "%s-flag"\ntitle = "A flag"\nwhy = "To see what happens then."\nrole = "any"\ndefault = "off"\n' "$name"
    printf '[[control.argument]]\ncomponent = "%s"\nflag = "%s"\nrequire = { equals = "55" }\nset = "55"\n' "$component" "$flag"
  done > /etc/k3warden/catalogue.d/flags.toml << 'FLAGS'
kubelet kubelet event-burst
other kubelet registry-burst
scheduler kube-scheduler kube-api-burst
beside kubelet registry-qps
FLAGS
}

# with_flags NAME...: lines of a policy that turn these on.
with_flags() {
  local name
  for name; do printf '[control.%s-flag]\nstate = "enforce"\n' "$name"; done
}

trap 'fail "command failed: $BASH_COMMAND"' ERR
