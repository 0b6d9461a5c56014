# Sourced by the cases k3s-fails-after-ready-*, after expect.sh: a change of ours that ends K3s only after READY, and what has to be so when
# the node is back by itself.
#
# The combinations are {restart, reboot, first start} x {kubelet flag, scheduler flag, kernel value} x {auto, never} x {daemon, door}. A case
# has one of the first and one of the last, and a line for each of the six of the other two. All 36 are there, three kinds of them in the
# only form that makes sense:
# - A restart under auto is made by the gate, and under never by the operator: under auto no operator comes before the gate, and under never
#   the gate makes none. Without the daemon the only gate is that of `apply --restart`, which stands for auto there.
# - Before a reboot under auto the change is written while the daemon is stopped, or it would have K3s read it at once.
# - The door never reads restart.mode. A reboot and a first start go through it alone under both all the same: nothing may differ.

quarantined_id=b9c8b9ffe46e46279419c7723226db94
not_written_id=bbeeb6361d334c6d96f0da847a2a3b87
not_ours_id=5c0a1f6f0d3e4b0f9a3d6f1b7f5e2c94
server=/var/lib/rancher/k3s/server
key_file=$server/cred/encryption-config.json

# What last worked, where anything did: the kubelet has a flag of ours and does not mind kernel values. It must not before either: a line
# that is turned off later stays.
unprotected=$'[control.protect-kernel-defaults]\nstate = "off"'
good_lines=$unprotected$'\n'$(with_flags kubelet)

# policy MODE SETTLE_LIMIT LINE...
policy() {
  local rules="settle_time = \"3s\", settle_limit = \"$2\", jitter = \"0s\", minimum_interval = \"0s\", per_day = 50"
  set_policy "restart = { mode = \"$1\", $rules }" "${@:3}"
}

# give_rise_to CULPRIT MODE: K3s does not live with it from now on. Leaves in `lines` what of the policy asks for it, in `mark` what of our
# drop-in does, in `control` whose that is, and in `reason` K3s's words.
give_rise_to() {
  echo "combination: $1 $2"
  rm -f /etc/k3s-standin/{refuses,finds}
  case $1 in
    kubelet)
      control=other-flag mark=registry-burst reason='kubelet exited'
      lines=$good_lines$'\n'$(with_flags other)
      echo 'registry-burst=55' > /etc/k3s-standin/refuses
      ;;
    scheduler)
      control=scheduler-flag mark=kube-api-burst reason='scheduler exited'
      lines=$good_lines$'\n'$(with_flags scheduler)
      echo 'kube-api-burst=55' > /etc/k3s-standin/refuses
      ;;
    kernel)
      control=protect-kernel-defaults mark=protect-kernel-defaults reason='invalid kernel flag'
      lines=$(with_flags kubelet)
      # Set wrong any earlier, the door or the daemon would mend it or take our line out in time.
      echo 'kernel.panic=3' > /etc/k3s-standin/finds
      ;;
    *) fail "no such culprit: $1" ;;
  esac
  # The door counts the ends of a boot by what was read: what failed under auto must be something else than what fails under never.
  [ "$2" = auto ] || lines+=$'\n'$(with_flags beside)
}

# systemd_waits SECONDS: before it starts K3s again, in the place of install.sh's five. On an emulated machine a put-back takes longer than
# those now and then, and how often K3s is started would be a matter of luck. Shorter where nobody but the door puts back: that saves time.
systemd_waits() {
  printf '[Service]\nRestartSec=%s\n' "$1" > /etc/systemd/system/k3s.service.d/90-waits.conf
  systemctl daemon-reload
}

# ours: what k3warden has K3s read. hardening: what it has made besides, which no put-back takes away.
ours() {
  sha256sum "$drop_in" $server/{audit,psa}.yaml
}
hardening() {
  sha256sum /etc/sysctl.d/90-kubelet.conf $server/manifests/k3warden-*.yaml
  stat -c '%n %a' $server{,/logs,/manifests}
  sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes
}
# A key that was written anew is another one, whatever is in it.
key_as_made() { stat -c '%i %y %a' $key_file && sha256sum < $key_file; }

messages() { journalctl --no-pager -q -b -o cat "MESSAGE_ID=$1" | grep -c . || true; }
# That of the change alone: where a kernel value is wrong for a moment there is another reason for another line.
not_written() {
  journalctl --no-pager -q -b -o cat "MESSAGE_ID=$not_written_id" | grep -c 'K3s did not live with it' || true
}
put_backs_at_door() { journalctl --no-pager -q -b -o cat -u k3s | grep -c 'two starts ended by themselves' || true; }

# remember last|none: what is so before K3s reads the change, and whether anything of ours has worked before.
counted=
remember() {
  good=$1
  starts=$(starts_of_k3s) restarts=$(times_told 'restarting K3s')
  quarantined=$(messages $quarantined_id) not_written=$(not_written) at_door=$(put_backs_at_door)
  [ -z "$counted" ] || expect_equal "$counted" "$starts" "starts of K3s, some time after it was back"
  hardened=$(hardening)
  if [ "$good" = last ]; then
    ours_before=$(ours)
    key=$(key_as_made)
  fi
}

# lives: K3s runs with what last worked and without the change, and has all its components.
lives() {
  local said
  k3s_is_active || return 1
  # Asked once for both: it costs much.
  said=$(journal_of_k3s)
  [[ $said = *'Starting Kubernetes Scheduler'* ]] || return 1
  said=$(grep 'Running ' <<<"$said")
  [[ $said != *"$mark"* ]] && [[ $good = none || $said = *event-burst=55* ]]
}
starts_are() { [ "$(starts_of_k3s)" = "$1" ]; }
not_written_is_told() { [ "$(not_written)" -ge "$1" ]; }
messages_are() { [ "$(messages "$1")" -ge "$2" ]; }
put_backs_at_door_are() { [ "$(put_backs_at_door)" -ge "$1" ]; }
only_the_journal_answers+="starts_are not_written_is_told messages_are put_backs_at_door_are "
sysctl_is() { [ "$(sysctl -n "$1")" = "$2" ]; }

# back STARTS: what last worked is there again, encryption as it was, the hardening too, and K3s was started so often.
back() {
  if [ "$good" = none ]; then
    only_encryption_stands
    [ ! -e $server/audit.yaml ] || fail "the audit policy is still there, and no K3s reads it"
  else
    expect_equal "$ours_before" "$(ours)" "what of ours K3s reads"
  fi
  encryption_stands
  expect_equal "$key" "$(key_as_made)" "the key"
  expect_equal "$hardened" "$(hardening)" "the hardening"
  counted=$((starts + $1))
  expect_equal "$counted" "$(starts_of_k3s)" "starts of K3s"
  expect_contains "$(cat /var/lib/k3warden/quarantine.json)" '"exonerated":false'
  expect_exit 1 k3warden check
  expect_contains "$(k3warden diff 2>&1)" 'k3warden retry'
  expect_exit 0 k3warden ledger --verify
}

# back_with_daemon STARTS: and the daemon has told so, once.
back_with_daemon() {
  wait_until 120 messages_are $quarantined_id $((quarantined + 1))
  wait_until 120 lives
  wait_until 60 status_has '"in_step": *true'
  # It has settled.
  wait_until 60 status_has '"start": *null'
  wait_until 60 not_written_is_told $((not_written + 1))
  # Set right again, whoever set it wrong.
  wait_until 90 sysctl_is kernel.panic 10
  back "$1"
  expect_equal $((quarantined + 1)) "$(messages $quarantined_id)" "messages of a put-back"
  expect_equal $((not_written + 1)) "$(not_written)" "messages that it is not written again"
  expect_equal 0 "$(messages $not_ours_id)" "messages that it was not ours"
  expect_equal "$at_door" "$(put_backs_at_door)" "put-backs by the door"
  expect_contains "$(journalctl --no-pager -q -b -o cat -p crit "MESSAGE_ID=$quarantined_id" | tail -n 1)" "$reason"
  expect_contains "$(cat /var/lib/k3warden/quarantine.json)" "$reason"
  status_has '"pending_restart": *null' || fail "a restart is pending"
  expect_contains "$(k3warden status || true)" "divergent       $control "
}

# restarted_by_us LEAST MOST: so often since `remember`.
restarted_by_us() {
  local made=$(($(times_told 'restarting K3s') - restarts))
  [ "$made" -ge "$1" ] && [ "$made" -le "$2" ] || fail "$made restarts by us, not $1 to $2"
}

# back_through_door STARTS PUT_BACKS: and the door has put back so often.
back_through_door() {
  wait_until 120 put_backs_at_door_are $((at_door + $2))
  wait_until 120 lives
  back "$1"
  expect_equal $((at_door + $2)) "$(put_backs_at_door)" "put-backs by the door"
}

# no_loop: what is so after the last combination is so some time later, too.
no_loop() {
  local run
  run=$(run_of_k3s)
  quarantined=$(messages $quarantined_id) not_written=$(not_written) at_door=$(put_backs_at_door)
  sleep 20
  expect_equal "$run" "$(run_of_k3s)" "the run"
  expect_equal "$counted" "$(starts_of_k3s)" "starts of K3s, later"
  expect_equal "$quarantined" "$(messages $quarantined_id)" "messages of a put-back, later"
  expect_equal "$not_written" "$(not_written)" "messages that it is not written again, later"
  expect_equal "$at_door" "$(put_backs_at_door)" "put-backs by the door, later"
}

# before_reboot_with_daemon CULPRIT MODE, before_reboot_through_door CULPRIT MODE: the change is there, and no K3s has read it.
before_reboot_with_daemon() {
  systemctl stop k3warden
  before_reboot_through_door "$@"
}
before_reboot_through_door() {
  give_rise_to "$@"
  remember last
  policy "$2" 120s "$lines"
  expect_exit 1 k3warden apply
  expect_contains "$output" "K3s runs with something else"
  expect_contains "$(cat "$drop_in")" "$mark"
  declare -p good ours_before key hardened mark control reason | sed 's/^declare --/declare -g --/' > /root/before
}
# The counts are of a boot.
after_reboot() {
  . /root/before
  starts=0 restarts=0 quarantined=0 not_written=0 at_door=0
}
back_after_reboot_with_daemon() {
  after_reboot
  back_with_daemon 2
  restarted_by_us 0 0
}
back_after_reboot_through_door() {
  after_reboot
  back_through_door 3 1
}

# proven_at_door: what the good lines ask for has lived on, and the next start proves it.
proven_at_door() {
  policy never 6s "$good_lines"
  expect_exit 0 k3warden apply
  systemctl start k3s
  wait_until 60 k3s_runs
  sleep 7
  systemctl restart k3s
  wait_until 60 k3s_runs
  settled event-burst || fail "nothing is proven"
}

# new_node: as before K3s and k3warden ever ran here.
new_node() {
  # Neither is there to be stopped the first time.
  systemctl stop k3warden k3s 2>/dev/null || true
  rm -rf /var/lib/k3warden /run/k3warden/* /var/lib/rancher/* /etc/rancher/* /etc/sysctl.d/90-kubelet.conf
  sysctl -q -w vm.overcommit_memory=0 kernel.panic=0 kernel.panic_on_oops=0
}
