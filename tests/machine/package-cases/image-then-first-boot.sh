# An image hardened from outside and then booted: the boot finds nothing left to do but the live values, before K3s and without network.
#@ bare
#@ limit 900
# The image is this machine's own disk, as an image builder sees it: another mount of it, without /proc, /sys and /run.
mkdir -p /mnt/image /root/tool
describe_host >/root/before
mount --bind / /mnt/image
dpkg-deb -x /share/k3warden.deb /root/tool
mkdir -p /etc/k3warden/config.d
cat >/etc/k3warden/config.d/50-site.toml <<'TOML'
role = "server"
k3s_version = "1.36.3"
new_cluster = true
TOML
live=$(sysctl -n kernel.panic vm.overcommit_memory)
expect_exit 0 /root/tool/usr/bin/k3warden --root /mnt/image --k3s-version 1.36.3 --no-sync apply
expect_equal "$live" "$(sysctl -n kernel.panic vm.overcommit_memory)" "live values of the machine that builds the image"
expect_exit 0 /root/tool/usr/bin/k3warden --root /mnt/image check
expect_contains "$(cat /etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml)" "secrets-encryption: true"

# Into it goes the package, in a chroot, where nothing is started and nothing is left to harden.
hardened() { describe_tree /etc/sysctl.d /etc/rancher /var/lib/rancher; }
hardened >/root/hardened
cp /share/k3warden.deb /root/k3warden.deb
chroot /mnt/image dpkg -i /root/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "k3warden: every enforced control holds"
expect_equal "$live" "$(sysctl -n kernel.panic vm.overcommit_memory)" "live values after the installation in a chroot"
hardened | diff /root/hardened - || fail "the installation changed what was hardened"
systemctl is-active k3warden.service && fail "a chroot started a service"
k3warden ledger >/root/ledger
umount /mnt/image
install_k3s server
systemctl enable k3s.service
#@ reboot
wait_until 60 systemctl is-active k3warden.service
wait_until 120 k3s_runs
# What the boot changed: live values, where systemd-sysctl had not set them from our file already, and modes of what K3s wrote since.
k3warden ledger >/root/ledger-now
tail -n "+$(($(wc -l </root/ledger) + 1))" /root/ledger-now | grep -E ' (first|repair) ' >/root/by-the-boot || true
if grep -vE ' (/proc/sys/|/var/lib/rancher/k3s/server/(cred|tls|db)[/:])' /root/by-the-boot; then fail "the boot found more to do"; fi
expect_sysctl kernel.panic 10
expect_exit 0 k3warden check
# Before K3s, whose only start read what stands there now.
[ "$(systemctl show -P ActiveEnterTimestampMonotonic k3warden)" -le "$(systemctl show -P ExecMainStartTimestampMonotonic k3s)" ] ||
  fail "K3s was started before k3warden had looked"
expect_equal 1 "$(starts_of_k3s)" "starts of K3s"
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxage="

# All of it goes again, but what its cluster needs; K3s and the image's policy were put there by others.
systemctl disable --now k3s.service
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
only_encryption_stands
# Nobody saw what the kernel had before systemd-sysctl set these from the image's file; the next boot gives that back.
expect_stays /root/said /etc/rancher{,/k3s{,/config.yaml.d{,/zz-k3warden.yaml}}} /var/lib/rancher{,/k3s{,/server}} \
  /proc/sys/vm/{overcommit_memory,panic_on_oom} /proc/sys/kernel/{panic,panic_on_oops} /proc/sys/kernel/keys/root_max{keys,bytes}
expect_equal 6 "$(grep -c '^stays  */proc/sys/.*; the next boot leaves it to the kernel' /root/said)" "kernel parameters that wait for a boot"
rm -r /etc/k3warden /etc/systemd/system/k3s.service /etc/k3s-standin /usr/local/bin/k3s
#@ reboot
# The directories above the drop-in were the image's first ones.
expect_given_back /root/before "${begun_by_k3s[@]}" "${left_to_k3s[@]}" 755 /etc/rancher 755 /etc/rancher/k3s
