# Installed beside a K3s that is stopped: it is hardened and not started, and its first start after that has read everything.
#@ bare
#@ limit 600
install_k3s server
describe_host >/root/before
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "k3warden: every enforced control holds"
wait_until 60 systemctl is-active k3warden.service
expect_equal inactive "$(systemctl is-active k3s || true)" "K3s"
expect_contains "$(cat /etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml)" "protect-kernel-defaults: true"
expect_exit 0 k3warden check
systemctl start k3s
wait_until 120 k3s_runs
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxage="
expect_equal 1 "$(starts_of_k3s)" "starts of K3s"
expect_contains "$(systemctl show -p ExecStartPre k3s.service)" "/usr/bin/k3warden apply --before-start"
wait_until 120 bash -c 'k3warden check'

# Its cluster began with encryption, which stays, and K3s's data lies in directories that we made; with K3s stopped nothing else has a reason
# to.
systemctl stop k3s
apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
only_encryption_stands
expect_stays /root/said /etc/rancher/k3s/config.yaml.d{,/zz-k3warden.yaml} /var/lib/rancher/k3s{,/server}
expect_given_back /root/before "${begun_by_k3s[@]}" "${left_to_k3s[@]}"
