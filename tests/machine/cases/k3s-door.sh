# Every start of K3s passes the door: what drifted before it is right when K3s reads it, without any restart.
#@ limit 600
set_policy '[restart]' 'settle_time = "5s"'
install_k3s server
[ ! -e "$drop_in" ] || fail "nothing was applied yet"
systemctl start k3s
wait_until 60 k3s_runs
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxage="
expect_contains "$(cat "$drop_in")" "protect-kernel-defaults: true"
expect_sysctl kernel.panic 10
record=/run/k3warden/starts/$(systemctl show -P InvocationID k3s).json
[ -s "$record" ] || fail "no record of this start"
[ -e /var/lib/rancher/k3s/server/cred/encryption-config.json ] || fail "a new cluster encrypts its Secrets"
expect_contains "$(k3warden ledger)" "new-cluster: yes"

# The cluster has data now and is held all the same.
systemctl stop k3s
rm "$drop_in"
sysctl -q -w kernel.panic=0
systemctl start k3s
wait_until 60 k3s_runs
expect_contains "$(cat "$drop_in")" "protect-kernel-defaults: true"
expect_contains "$(cat "$drop_in")" "secrets-encryption: true"
expect_equal 2 "$(starts_of_k3s)" "starts"
expect_equal 0 "$(systemctl show -P NRestarts k3s)" "restarts by systemd"
expect_exit 0 k3warden effective

# Paused, and with a broken policy, K3s starts; the six values are right all the same while the kubelet asks for them.
k3warden pause --for 1h --reason "disk"
sysctl -q -w kernel.panic=0
systemctl restart k3s
wait_until 60 k3s_runs
expect_sysctl kernel.panic 10
k3warden pause --end
echo 'nonsense = 1' > /etc/k3warden/config.toml
sysctl -q -w kernel.panic=0
systemctl restart k3s
wait_until 60 k3s_runs
expect_sysctl kernel.panic 10
expect_exit 2 k3warden check
expect_exit 0 k3warden pause --for 1h --reason "somebody mends the policy"
expect_exit 0 k3warden pause --end
set_policy

# The kill switch stops it wholly.
mkdir -p /etc/k3warden && touch /etc/k3warden/disabled
starts=$(ls /run/k3warden/starts | wc -l)
systemctl restart k3s
wait_until 60 k3s_runs
expect_equal "$starts" "$(ls /run/k3warden/starts | wc -l)" "records of starts"
rm /etc/k3warden/disabled

# A unit that starts no K3s is left at once.
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' > /etc/systemd/system/k3s-backup.service
systemctl daemon-reload
starts=$(ls /run/k3warden/starts | wc -l)
expect_exit 0 env INVOCATION_ID=0123456789abcdef0123456789abcdef k3warden apply --before-start k3s-backup.service
expect_equal "" "$output" "what it says of another unit"
expect_equal "$starts" "$(ls /run/k3warden/starts | wc -l)" "records of starts"
expect_exit 0 k3warden apply --before-start nonsense
# Nor is an operator's program run for its version because its name begins like K3s's.
printf '#!/bin/sh\necho "$*" >>/root/backups\n' > /usr/local/bin/k3s-backup
chmod 755 /usr/local/bin/k3s-backup
sed -i 's#^ExecStart=.*#ExecStart=/usr/local/bin/k3s-backup server /mnt#' /etc/systemd/system/k3s-backup.service
mkdir -p /etc/systemd/system/k3s-backup.service.d
cp /etc/systemd/system/k3s.service.d/50-k3warden-door.conf /etc/systemd/system/k3s-backup.service.d/
systemctl daemon-reload
ledger=$(k3warden ledger)
systemctl start k3s-backup
expect_equal "server /mnt" "$(cat /root/backups)" "runs of the operator's program"
expect_equal "$starts" "$(ls /run/k3warden/starts | wc -l)" "records of starts"
expect_equal "$ledger" "$(k3warden ledger)" "the ledger"
expect_contains "$(k3warden check 2>&1 || true)" "does not say whether that is K3s"
rm -r /etc/systemd/system/k3s-backup.service*
systemctl daemon-reload
# Somebody holds the lock: K3s starts within seconds.
flock /run/k3warden/lock sleep 30 &
sleep 1
before=$SECONDS
systemctl restart k3s
wait_until 25 k3s_runs
[ $((SECONDS - before)) -lt 25 ] || fail "the door waited for the lock"
