# An apply that fails does not break the package manager: the package is installed, says why, and can be mended and removed.
#@ bare
#@ limit 600
describe_host >/root/before
mkdir -p /etc/k3warden/config.d
echo 'mode = "enforced"' >/etc/k3warden/config.d/50-site.toml
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "50-site.toml:1"
expect_contains "$(cat /root/said)" "the package is installed all the same"
expect_equal "ii " "$(dpkg-query -W -f '${db:Status-Abbrev}' k3warden)" "dpkg's state"
expect_sysctl kernel.panic 0
rm /etc/k3warden/config.d/50-site.toml
k3warden apply
expect_sysctl kernel.panic 10
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_given_back /root/before
