# With the daemon a restart by gate or operator with a change of ours that ends K3s after READY ends on what last worked, by itself.
#@ limit 900
. /share/fails-after-ready.sh
offer_flags
policy auto 120s "$unprotected"
install_k3s server
# Time to stop the daemon between a start and its end.
echo 4 > /etc/k3s-standin/ready-after
start_daemon
systemctl start k3s
wait_until 120 settled secrets-encryption

# A change that works: one restart, and it is what is put back from then on.
policy auto 120s "$good_lines"
systemctl reload k3warden
wait_until 120 settled event-burst
expect_contains "$(k3s_arguments kubelet)" "event-burst=55"
wait_until 20 told 'has settled'
expect_equal 1 "$(times_told 'restarting K3s')" "restarts by us"

# combination CULPRIT MODE FIRST: whether the put-back (`us`) or systemd with one more start (`systemd`) is first.
combination() {
  give_rise_to "$1" "$2"
  remember last
  case $3 in us) systemd_waits 12s ;; systemd) systemd_waits 1s ;; esac
  policy "$2" 120s "$lines"
  systemctl reload k3warden
  if [ "$2" = never ]; then
    wait_until 60 grep -q "$mark" "$drop_in"
    wait_until 90 status_has 'restart.mode is'
    systemctl restart k3s || true
  fi
  case $3 in
    us) back_with_daemon 2 ;;
    systemd)
      wait_until 60 starts_are $((starts + 1))
      kill -STOP "$(systemctl show -P MainPID k3warden)"
      wait_until 60 starts_are $((starts + 2))
      # From now on the put-back is first, however slow the machine is.
      systemd_waits 15s
      kill -CONT "$(systemctl show -P MainPID k3warden)"
      back_with_daemon 3
      ;;
  esac
  case $2-$3 in
    never-*) restarted_by_us 0 0 ;;
    auto-us) restarted_by_us 1 1 ;;
    # Once for the change, and once for the put-back unless the second start has ended by itself before.
    auto-systemd) restarted_by_us 1 2 ;;
  esac
}

combination kubelet   auto  us
combination scheduler never us
combination kernel    auto  us
combination kubelet   never systemd
combination scheduler auto  systemd
combination kernel    never us
no_loop
