# Without the daemon a restart with a change of ours that ends K3s after READY ends on what last worked, by itself.
#@ limit 900
. /share/fails-after-ready.sh
offer_flags
install_k3s server
proven_at_door

# combination CULPRIT MODE
combination() {
  give_rise_to "$@"
  remember last
  policy "$2" 120s "$lines"
  case $2 in
    # The command follows the start that it has asked for, and puts back after one end.
    auto)
      systemd_waits 12s
      expect_exit 2 k3warden apply --restart
      expect_contains "$output" "$reason"
      back_through_door 2 0
      expect_contains "$(cat /var/lib/k3warden/quarantine.json)" "$reason"
      ;;
    never)
      systemd_waits 1s
      systemctl restart k3s || true
      back_through_door 3 1
      ;;
  esac
}

combination kubelet   auto
combination scheduler auto
combination kernel    auto
combination kubelet   never
combination scheduler never
combination kernel    never
no_loop

# An operator has it written once more.
expect_exit 0 k3warden retry
expect_contains "$output" "two starts with it ended"
expect_exit 1 k3warden apply
expect_contains "$(cat "$drop_in")" "$mark"
