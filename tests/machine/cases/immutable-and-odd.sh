# What cannot be changed is said with its reason and its cure; the rest is hardened all the same.
mkdir -p /var/lib/rancher/k3s/server/cred /var/lib/rancher/k3s/server/tls
install -m 644 /dev/stdin /etc/systemd/system/k3s.service <<<$'[Service]\nExecStart=/usr/local/bin/k3s server'
for name in admin scheduler controller; do install -m 644 /dev/stdin /var/lib/rancher/k3s/server/cred/$name.kubeconfig <<<secret; done
chattr +i /var/lib/rancher/k3s/server/cred/admin.kubeconfig
printf 'kernel.panic = 5\n' >/etc/sysctl.d/90-kubelet.conf
chattr +i /etc/sysctl.d/90-kubelet.conf
rm -f /var/lib/rancher/k3s/server/tls/null.key
mknod /var/lib/rancher/k3s/server/tls/null.key c 1 3
seen=0
output=$(k3warden apply 2>&1) || seen=$?
[ "$seen" -gt 0 ] || fail "apply says that all holds"
expect_contains "$output" "chattr -i /var/lib/rancher/k3s/server/cred/admin.kubeconfig"
expect_contains "$output" "chattr -i /etc/sysctl.d/90-kubelet.conf"
expect_contains "$output" "it is a device where a regular file is expected"
expect_equal 644 "$(stat -c %a /var/lib/rancher/k3s/server/cred/admin.kubeconfig)" "immutable file"
expect_mode 600 /var/lib/rancher/k3s/server/cred/scheduler.kubeconfig /var/lib/rancher/k3s/server/cred/controller.kubeconfig
expect_equal "kernel.panic = 5" "$(cat /etc/sysctl.d/90-kubelet.conf)" "immutable sysctl file"
expect_sysctl kernel.panic 10
expect_equal "1:3" "$(stat -c '%t:%T' /var/lib/rancher/k3s/server/tls/null.key)" "device"
ls -A /etc/sysctl.d /var/lib/rancher/k3s/server | grep -F .k3warden- && fail "temporary files are left"
expect_exit 0 k3warden ledger --verify
chattr -i /var/lib/rancher/k3s/server/cred/admin.kubeconfig /etc/sysctl.d/90-kubelet.conf
k3warden apply >/root/report 2>&1 || true
expect_mode 600 /var/lib/rancher/k3s/server/cred/admin.kubeconfig
grep -qx 'kernel.panic = 10' /etc/sysctl.d/90-kubelet.conf
k3warden revert
expect_equal 644 "$(stat -c %a /var/lib/rancher/k3s/server/cred/admin.kubeconfig)" "mode after revert"
expect_equal "kernel.panic = 5" "$(cat /etc/sysctl.d/90-kubelet.conf)" "content after revert"

# A kernel whose parameters cannot be looked at: said, and the files are judged all the same.
seen=0
output=$(unshare --mount bash -c 'mount -t tmpfs none /proc/sys; k3warden check --all' 2>&1) || seen=$?
expect_equal 2 "$seen" "check without /proc/sys: $output"
expect_contains "$output" "/proc/sys"
expect_contains "$output" "kernel.panic at next boot"
