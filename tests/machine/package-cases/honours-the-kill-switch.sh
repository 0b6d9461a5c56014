# With the kill switch thrown, installation and purge change nothing of the node, and say so.
#@ bare
#@ limit 600
mkdir -p /etc/k3warden
describe_host >/root/before
touch /etc/k3warden/disabled
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "k3warden: switched off"
sleep 2
expect_sysctl kernel.panic 0
[ ! -e /etc/sysctl.d/90-kubelet.conf ] || fail "the node was changed"

rm /etc/k3warden/disabled
k3warden apply >/dev/null || true
expect_sysctl kernel.panic 10
touch /etc/k3warden/disabled
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "nothing is put back"
expect_sysctl kernel.panic 10
rm /etc/k3warden/disabled
/var/lib/k3warden/purge
expect_given_back /root/before
