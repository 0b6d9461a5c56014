# Without the daemon a first start ever with a change of ours that ends K3s after READY ends with nothing of ours but encryption, by itself.
#@ limit 900
. /share/fails-after-ready.sh
offer_flags
install_k3s server
systemd_waits 1s

# combination CULPRIT MODE
combination() {
  new_node
  give_rise_to "$@"
  policy "$2" 120s "$lines"
  expect_exit 0 k3warden apply
  remember none
  systemctl start k3s || true
  key=$(key_as_made)
  back_through_door 3 1
}

combination kubelet   auto
combination scheduler auto
combination kernel    auto
combination kubelet   never
combination scheduler never
combination kernel    never
no_loop

# Nothing writes it again until an operator changes the policy. Then the rest is written, and K3s lives with it.
expect_exit 1 k3warden apply
only_encryption_stands
policy never 120s "$good_lines"
expect_exit 1 k3warden apply
expect_contains "$output" "K3s runs with something else"
good=last
systemctl restart k3s
wait_until 60 lives
expect_contains "$(cat "$drop_in")" "audit-log-maxage"
