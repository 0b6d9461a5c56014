# A real kubelet with --protect-kernel-defaults ends over the kernel of a machine that nobody hardened, for what preflight names; where k3warden was it runs on, after a reboot too.
#@ memory 2048
#@ limit 1200
. /share/real-kubelet.sh
# ends_over COUNT: the kubelet does not live with so many values, and they are those that we name.
ends_over() {
  start_kubelet
  wait_until 300 kubelet_has_ended
  local its ours
  its=$(wrong_values "$(kubelet_said | grep 'Failed to start ContainerManager')")
  ours=$(wrong_values "$(preflight_says)")
  expect_equal "$1" "$(wc -l <<<"$its")" "values that are wrong for the kubelet"
  expect_equal "$its" "$ours" "what preflight says"
  echo "$its"
}
start_containerd
# Debian's own values.
ends_over 3
sysctl -q -w vm.panic_on_oom=1 kernel.keys.root_maxkeys=2000 kernel.keys.root_maxbytes=2000000
ends_over 6

expect_exit 0 k3warden apply
start_kubelet
wait_until 300 kubelet_has_started
systemctl is-active -q kubelet
expect_equal "" "$(preflight_says)" "what preflight says"
#@ reboot
. /share/real-kubelet.sh
start_containerd
start_kubelet
wait_until 300 kubelet_has_started
systemctl is-active -q kubelet
