# Install, reboot, remove, purge: the node stays hardened after remove, and is what it was to the byte after purge, live values included.
#@ bare
#@ limit 900
# The metrics are written where somebody else collects them.
mkdir -p /etc/k3warden/config.d /var/lib/collected /var/lib/elsewhere
echo 'metrics_file = "/var/lib/collected/k3warden.prom"' >/etc/k3warden/config.d/50-site.toml
describe_host >/root/before
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_sysctl kernel.panic 10
wait_until 60 test -s /var/lib/collected/k3warden.prom
#@ reboot
expect_sysctl kernel.panic 10
# Elsewhere from now on, as the policy says that was changed while no daemon ran: its sandbox does not reach the first place any more.
wait_until 60 systemctl is-active k3warden
systemctl stop k3warden
[ -s /var/lib/collected/k3warden.prom ] || fail "a daemon that stops takes the metrics along, and no alert sees their age"
cp -p /etc/k3warden/config.d/50-site.toml /root/site.toml
sed -i s/collected/elsewhere/ /etc/k3warden/config.d/50-site.toml
k3warden apply
systemctl start k3warden
wait_until 60 test -s /var/lib/elsewhere/k3warden.prom
apt-get remove -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "the node stays hardened"
expect_sysctl kernel.panic 10
[ -e /etc/sysctl.d/90-kubelet.conf ] || fail "remove took the hardening back"
[ ! -e /usr/bin/k3warden ] || fail "the program is still there"
#@ reboot
expect_sysctl kernel.panic 10
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_sysctl kernel.panic 0
cp -p /root/site.toml /etc/k3warden/config.d/50-site.toml
expect_given_back /root/before

# As on the first day, with nothing of the operator's.
rm -r /etc/k3warden /var/lib/collected /var/lib/elsewhere
describe_host >/root/before
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_sysctl kernel.panic 10
wait_until 60 systemctl is-active k3warden.service
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_given_back /root/before
