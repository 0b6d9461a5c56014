# Purge beside a cluster whose Secrets we encrypted: all is put back but what would harm it, which is listed, and K3s lives on.
#@ bare
#@ limit 900
describe_host >/root/before
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
install_k3s server
systemctl start k3s
wait_until 120 k3s_runs
[ -e /var/lib/rancher/k3s/server/cred/encryption-config.json ] || fail "a new cluster encrypts its Secrets"
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_sysctl kernel.panic 0
[ ! -e /etc/sysctl.d/90-kubelet.conf ] || fail "the kernel parameters' file is left"
grep '^stays' /root/said >/root/stays || fail "nothing is said to stay: $(cat /root/said)"
grep -q secrets-encryption /root/stays || fail "the encryption is not listed: $(cat /root/stays)"
expect_contains "$(cat /etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml)" "secrets-encryption: true"
expect_equal 1 "$(grep -c ': true' /etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml)" "lines of ours that are left"
# Every path that is there now and was not before is K3s's own, or was listed.
describe_host >/root/after
cut -d' ' -f1 /root/before | sort -u >/root/paths-before
cut -d' ' -f1 /root/after | sort -u >/root/paths-after
comm -13 /root/paths-before /root/paths-after | grep -E '^/(etc|var|usr|run)' |
  grep -vE '^/(etc/k3s-standin|usr/local/bin/k3s|etc/systemd/system/k3s.service|var/lib/rancher/k3s/(server/(cred|tls|db|token|node-token|agent-token|etc)|agent|data))' |
  while read -r path; do grep -qF "$path" /root/stays || [ -d "$path" ] || echo "$path"; done >/root/unlisted
expect_equal "" "$(cat /root/unlisted)" "files that stay and are not listed"

# It starts again, with its key.
systemctl restart k3s
wait_until 120 k3s_runs
expect_equal 0 "$(systemctl show -P NRestarts k3s)" "restarts by systemd"
