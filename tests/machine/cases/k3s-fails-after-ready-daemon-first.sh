# With the daemon a first start ever with a change of ours that ends K3s after READY ends with nothing of ours but encryption, by itself.
#@ limit 900
. /share/fails-after-ready.sh
offer_flags
install_k3s server
systemd_waits 12s

# combination CULPRIT MODE
combination() {
  new_node
  give_rise_to "$@"
  policy "$2" 120s "$lines"
  start_daemon
  remember none
  systemctl start k3s || true
  key=$(key_as_made)
  back_with_daemon 2
  restarted_by_us 0 0
}

combination kubelet   auto
combination scheduler auto
combination kernel    auto
combination kubelet   never
combination scheduler never
combination kernel    never
no_loop
