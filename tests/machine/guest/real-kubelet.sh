# Sourced by the cases in kubernetes-cases/, after expect.sh.

# start_containerd: the kubelet asks for the kernel's values once a runtime answers. No pod is started, so nothing else is needed of it.
start_containerd() {
  mkdir -p /run/runtime
  cat >/run/runtime/config.toml <<'CONFIG'
version = 2
root = "/run/runtime/root"
state = "/run/runtime/state"
[grpc]
address = "/run/runtime/socket"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
CONFIG
  systemd-run -q --unit=runtime /share/containerd --config /run/runtime/config.toml
  wait_until 120 test -S /run/runtime/socket
}

# start_kubelet: alone, without an apiserver.
start_kubelet() {
  systemctl reset-failed kubelet 2>/dev/null || true
  systemd-run -q --unit=kubelet /share/kubelet --protect-kernel-defaults --fail-swap-on=false \
    --container-runtime=remote --container-runtime-endpoint=unix:///run/runtime/socket \
    --root-dir=/run/kubelet --cert-dir=/run/kubelet/pki --address=127.0.0.1
}

kubelet_said() {
  journalctl --no-pager -q -b -o cat "_SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID kubelet)"
}

kubelet_has_ended() {
  systemctl is-failed -q kubelet
}

# kubelet_has_started: it is past its check of the kernel.
kubelet_has_started() {
  grep -q 'Starting Kubelet Plugin Manager' <<<"$(kubelet_said)"
}

# wrong_values TEXT: the kernel values that a kubelet, or our preflight, calls wrong. The kubelet writes kernel/panic.
wrong_values() {
  grep -o 'invalid kernel flag: [^,]*, expected value: [0-9]*, actual value: [0-9]*' <<<"$1" | tr / . | sort
}

# preflight_says: what we say of the same machine, were K3s told to protect the kernel's defaults.
preflight_says() {
  mkdir -p /etc/rancher/k3s
  printf '[Service]\nExecStart=/usr/local/bin/k3s server\n' >/etc/systemd/system/k3s.service
  echo 'protect-kernel-defaults: true' >/etc/rancher/k3s/config.yaml
  k3warden --k3s-version 1.20.2 effective --format json | grep '"reason"' || true
  rm /etc/systemd/system/k3s.service /etc/rancher/k3s/config.yaml
}
