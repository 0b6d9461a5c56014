# In the package's sandbox, with a running K3s: every kind of mutation of every kind of setting is repaired, also all at once under reloads.
#@ limit 1800
set_policy 'sysctl_interval = "2s"' 'unit_override = true' '[restart]' 'mode = "never"'
# What outranks K3s's configuration, so that a drop-in of ours gives the unit's command.
install_k3s server --kube-apiserver-arg=audit-log-maxage=7
rm -rf /etc/systemd/system/k3s.service.d
install_units
systemctl start k3warden
# K3s runs with the word of ours, or its control would not hold whatever happens to the drop-in.
has_read_units() { [ "$(systemctl show -P NeedDaemonReload k3s)" = no ] && [[ $(systemctl show -P ExecStart k3s) = *audit-log-maxage=30* ]]; }
wait_until 60 has_read_units
systemctl start k3s
wait_until 60 k3s_runs
score=$(systemd-analyze security --no-pager k3warden.service | sed -n 's/.*exposure level for k3warden.service: \([0-9.]*\).*/\1/p')
awk -v score="$score" 'BEGIN { exit !(score > 0 && score <= 1.4) }' || fail "exposure $score"

server=/var/lib/rancher/k3s/server
declare -A place=(
  [sysctl-file]=/etc/sysctl.d/90-kubelet.conf
  [directory]=$server/logs
  [audit]=$server/audit.yaml
  [psa]=$server/psa.yaml
  [permissions]=$server/token
  [pattern]=$server/tls/any.key
  [k3s-drop-in]=/etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml
  [unit-drop-in]=/etc/systemd/system/k3s.service.d/zz-k3warden.conf
  [manifest]=$(ls -d $server/manifests/*.yaml | head -n 1)
)
settings="sysctl-file directory audit psa permissions pattern k3s-drop-in unit-drop-in manifest"
# K3s's own, of which only owner and bits are ours: one by its name, one by a pattern.
mkdir -p -m 700 $server/tls
for setting in permissions pattern; do
  [ -e "${place[$setting]}" ] || install -m 600 /dev/null "${place[$setting]}"
done
# What it is when it is right: of a file with our content the content too, of K3s's own only owner and bits. Lines of others in a sysctl
# file stay, and where it is emptied, which masks it, another file of ours sets what it did: what counts is what a boot would set.
look() {
  case $1 in
    sysctl-live) sysctl -n kernel.panic ;;
    sysctl-file) k3warden check kernel-panic kernel-panic-on-oops vm-overcommit-memory >/dev/null && echo holds ;;
    directory | permissions | pattern) stat -c '%f %u:%g' "${place[$1]}" ;;
    *) stat -c '%f %u:%g' "${place[$1]}" && sha256sum <"${place[$1]}" ;;
  esac 2>&1 || true
}
# From the state at the start: our file is back where it was.
begin_anew() {
  [ "$1" = sysctl-file ] || return 0
  rm -f /etc/sysctl.d/zz-k3warden.conf "${place[$1]}"
  wait_until 60 test -s "${place[$1]}"
  wait_until 60 is_right "$1"
}
all_hold() { expect_exit 0 k3warden diff; }
wait_until 60 k3warden diff
declare -A good
for setting in sysctl-live $settings; do good[$setting]=$(look "$setting"); done
is_right() { [ "$(look "$1")" = "${good[$1]}" ]; }

# mutate KIND SETTING: 2 if that means nothing there.
mutate() {
  local path=${place[$2]:-} beside
  beside=$(dirname "${path:-/tmp/x}")/.mutation
  case $1:$2 in
    write-live:sysctl-live) sysctl -q -w kernel.panic=0 ;;
    other-procfs:sysctl-live) unshare --pid --fork --mount-proc sysctl -q -w kernel.panic=3 ;;
    sysctl--system:sysctl-live)
      echo 'kernel.panic = 7' >/etc/sysctl.d/95-other.conf
      sysctl -q --system >/dev/null ;;
    *:sysctl-live) return 2 ;;
    chmod:*) chmod 777 "$path" ;;
    chown:*) chown 1234:1234 "$path" ;;
    symlink:*) mv "$path" "$beside" && ln -s /etc/hostname "$path" ;;
    bind-mount:directory) rm -rf /tmp/other && mkdir -m 777 /tmp/other && mount --bind /tmp/other "$path" ;;
    bind-mount:*) rm -rf /tmp/other && install -m 666 /dev/null /tmp/other && mount --bind /tmp/other "$path" ;;
    rmdir-r:directory) rm -rf "$path" ;;
    mv-parent:*) mv "$(dirname "$path")" "$(dirname "$path").away" ;;
    write:directory | truncate:directory | rename-over:directory | unlink:directory | hard-link:directory) return 2 ;;
    write:permissions | truncate:permissions | write:pattern | truncate:pattern) return 2 ;;
    write:*) echo 'x: y' >"$path" ;;
    truncate:*) : >"$path" ;;
    rename-over:*) echo 'z: y' >"$beside" && chmod 666 "$beside" && mv "$beside" "$path" ;;
    unlink:*) rm "$path" ;;
    hard-link:*) ln "$path" "$beside" && chmod 666 "$path" ;;
    *) return 2 ;;
  esac
}
# What the mutation left in the way of a repair goes again, as its maker would have it; what comes back has other bits, or would set
# another value at a boot, so that it is right only once the daemon has seen it.
undo() {
  local path=${place[$2]:-} parent
  parent=$(dirname "${path:-/tmp/x}")
  case $1 in
    symlink) chmod 777 "$parent/.mutation" && rm -rf "$path" && mv "$parent/.mutation" "$path" ;;
    hard-link) rm "$parent/.mutation" ;;
    # The daemon makes it anew meanwhile, unless it is a place of its sandbox: where that is away, what holds it is read-only there.
    mv-parent)
      case $2 in
        sysctl-file) echo 'kernel.panic = 7' >>"$parent.away/${path##*/}" ;;
        *) chmod 777 "$parent.away/${path##*/}" ;;
      esac
      until mv -T "$parent.away" "$parent" 2>/dev/null; do rm -rf "$parent" 2>/dev/null || true; done ;;
    unlink) case $2 in permissions | pattern) install -m 644 /dev/null "$path" ;; esac ;;
  esac
}

critical() { journalctl --no-pager -q -t k3warden -p crit -o cat; }
# How many controls hold, as the daemon last published it.
holding() { grep -o '"verdict": *"compliant"' /run/k3warden/status.json | wc -l; }
# All is repaired, and what is judged as a whole a little later was told too.
all_is_published() {
  k3warden diff >/dev/null && [ "$(holding)" = "$(k3warden check | sed -n 's/^\([0-9]*\) compliant.*/\1/p')" ]
}
all_known() { [ "$(holding)" -ge "$held" ]; }
# What is mounted there is made right, or the daemon says that a control does not hold: a mount cannot be replaced.
mount_is_noticed() { is_right "$1" || [ "$(holding)" -lt "$held" ]; }

# seconds_until WHAT SETTING: prints how long it took, or `never`.
seconds_until() {
  local start=${EPOCHREALTIME/./} end=$((SECONDS + 60))
  until "$1" "$2"; do
    [ "$SECONDS" -lt "$end" ] || { echo never; return; }
    sleep 0.05
  done
  local took=$(((${EPOCHREALTIME/./} - start) / 10000))
  printf '%d.%02d' $((took / 100)) $((took % 100))
}

elsewhere=$(stat -c '%f %u:%g %s' /etc/hostname)
kinds="write truncate chmod chown rename-over unlink rmdir-r mv-parent symlink bind-mount hard-link write-live other-procfs sysctl--system"
declare -A table
for kind in $kinds; do
  if [ "$kind" = bind-mount ]; then
    wait_until 60 all_is_published
    held=$(holding)
  fi
  for setting in sysctl-live $settings; do
    # K3s would not start with what another mutation has left for a moment, and our drop-in for the unit is then out for some seconds.
    wait_until 60 is_right "$setting"
    if mutate "$kind" "$setting"; then
      case $kind in
        # The mount itself has to be noticed; beneath it everything is as it was.
        bind-mount)
          table[$kind:$setting]=$(seconds_until mount_is_noticed "$setting")
          umount --lazy "${place[$setting]}"
          wait_until 60 is_right "$setting"
          wait_until 60 all_known ;;
        *)
          case $kind in symlink | hard-link | mv-parent | unlink) sleep 0.3 && undo "$kind" "$setting" ;; esac
          table[$kind:$setting]=$(seconds_until is_right "$setting") ;;
      esac
      begin_anew "$setting"
    else
      table[$kind:$setting]=-
    fi
  done
done
printf '%-15s' "s until right"; printf '%13s' sysctl-live $settings; echo
for kind in $kinds; do
  printf '%-15s' "$kind"
  for setting in sysctl-live $settings; do printf '%13s' "${table[$kind:$setting]}"; done
  echo
done
expect_equal "$elsewhere" "$(stat -c '%f %u:%g %s' /etc/hostname)" "what a link led to"
case "${table[*]}" in *never*) fail "something was never repaired" ;; esac
wait_until 60 k3warden diff
expect_exit 0 k3warden ledger --verify
# What the unit's drop-in says is what systemd would start.
wait_until 60 has_read_units
# A boot would set it, and not the daemon, which waits.
daemon=$(systemctl show -P MainPID k3warden)
kill -STOP "$daemon"
sysctl -q -w kernel.panic=3
/lib/systemd/systemd-sysctl
expect_sysctl kernel.panic 10
kill -CONT "$daemon"

# A unit rewritten as install.sh does, a binary swapped, a configuration edited badly: no start of K3s, and the rest is held.
sed -i 's/RestartSec=5s/RestartSec=6s/' /etc/systemd/system/k3s.service
cp /usr/local/bin/k3s /usr/local/bin/k3s.new && mv /usr/local/bin/k3s.new /usr/local/bin/k3s
untouched=$(look k3s-drop-in)
printf 'token: [broken\n' >/etc/rancher/k3s/config.yaml
sysctl -q -w kernel.panic=0
wait_until 60 is_right sysctl-live
chmod 777 "${place[permissions]}"
wait_until 60 is_right permissions
expect_equal "$untouched" "$(look k3s-drop-in)" "our drop-in beside a configuration that cannot be read"
slip_is_told() { critical | grep -q 'K3s would end at its next start: .*config.yaml'; }
wait_until 60 slip_is_told
rm /etc/rancher/k3s/config.yaml
wait_until 90 k3warden diff

# At random, without waiting for any of them, under reloads and applies.
RANDOM=7
for _ in 1 2 3 4 5 6; do
  for _ in 1 2 3 4 5; do
    set -- $settings sysctl-live
    shift $((RANDOM % $#)); setting=$1
    set -- write truncate chmod chown rename-over write-live other-procfs unlink rmdir-r sysctl--system
    shift $((RANDOM % $#)); kind=$1
    # What K3s makes itself is not ours to make anew.
    case $kind:$setting in unlink:permissions | unlink:pattern) continue ;; esac
    mutate "$kind" "$setting" 2>/dev/null || true
    sleep 0.0$((RANDOM % 9))
  done
  systemctl reload k3warden &
  k3warden apply >/dev/null 2>&1 || true
done
wait
for setting in sysctl-live $settings; do wait_until 120 is_right "$setting"; done
wait_until 60 k3warden diff
expect_exit 0 k3warden ledger --verify
expect_equal 1 "$(starts_of_k3s)" "starts of K3s"
expect_equal 0 "$(systemctl show -P NRestarts k3warden)" "new starts of the daemon"
# Of the configuration that was edited badly, once.
expect_equal 1 "$(critical | grep -c 'K3s would end at its next start: .*config.yaml')" "alarms for the operator's own slip"
expect_equal "" "$(critical | grep -v 'K3s would end at its next start: .*config.yaml' || true)" "what else is critical"
