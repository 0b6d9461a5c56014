# Where systemd does not run the machine (OpenRC): the package installs, check, apply and revert work, live values included, and the
# daemon refuses with a sentence.
#@ bare
#@ limit 600
# To what runs in here, this machine has no systemd: neither its mark nor its tools.
cat >/root/elsewhere <<'END'
set -Eeuo pipefail
CASE=without-systemd; . /share/expect.sh
mount -t tmpfs none /run
for tool in systemctl journalctl; do mount --bind /dev/null "/usr/bin/$tool"; done
mkdir -p /etc/k3warden/config.d
printf 'role = "server"\nk3s_version = "1.36.3"\nnew_cluster = true\n' >/etc/k3warden/config.d/50-site.toml
describe_host >/root/before
dpkg -i /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "k3warden: every enforced control holds"
expect_sysctl kernel.panic 10
expect_exit 0 k3warden check
sysctl -q -w kernel.panic=3
expect_exit 1 k3warden check kernel-panic
expect_exit 0 k3warden apply
expect_sysctl kernel.panic 10
expect_exit 2 k3warden watch
expect_contains "$output" "the daemon needs systemd"
expect_equal 1 "$(wc -l <<<"$output")" "lines that the daemon says"
expect_exit 2 k3warden status
expect_exit 0 k3warden revert
expect_sysctl kernel.panic 0
dpkg --purge k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_given_back /root/before
END
unshare --mount bash /root/elsewhere
