# Purge beside a cluster whose Secrets we encrypted: all is put back but what would harm it, which is listed, and K3s lives on.
#@ bare
#@ limit 900
install_k3s server
describe_host >/root/before
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
systemctl start k3s
wait_until 120 k3s_runs
[ -e /var/lib/rancher/k3s/server/cred/encryption-config.json ] || fail "a new cluster encrypts its Secrets"
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_sysctl kernel.panic 0
[ ! -e /etc/sysctl.d/90-kubelet.conf ] || fail "the kernel parameters' file is left"
grep '^stays' /root/said >/root/stays || fail "nothing is said to stay: $(cat /root/said)"
grep -q secrets-encryption /root/stays || fail "the encryption is not listed: $(cat /root/stays)"
only_encryption_stands
expect_stays /root/said /etc/rancher/k3s/config.yaml.d{,/zz-k3warden.yaml} /var/lib/rancher/k3s{,/server{,/audit.yaml,/psa.yaml}}
expect_given_back /root/before "${begun_by_k3s[@]}" "${left_to_k3s[@]}" \
  600 /var/lib/rancher/k3s/server/audit.yaml 600 /var/lib/rancher/k3s/server/psa.yaml

# It starts again, with its key.
systemctl restart k3s
wait_until 120 k3s_runs
expect_equal 0 "$(systemctl show -P NRestarts k3s)" "restarts by systemd"
