# What is made or mounted after the daemon's start is hidden from its namespace: it ends, systemd builds the namespace anew, and not in a loop.
#@ limit 900
set_policy 'role = "server"' '[restart]' 'mode = "never"'
install_units
systemctl start k3warden
restored() { [ "$(stat -c %a "$1" 2>/dev/null)" = "$2" ]; }
settles() { wait_until 180 daemon_runs_since "$run"; run=$(systemctl show -P InvocationID k3warden); }
run=$(systemctl show -P InvocationID k3warden)
wait_until 30 restored /var/lib/rancher/k3s/server 700

# A disk of its own comes.
mount -t tmpfs -o mode=0755 disk /var/lib/rancher
settles
wait_until 60 restored /var/lib/rancher/k3s/server 700
chmod 777 /var/lib/rancher/k3s/server
wait_until 30 restored /var/lib/rancher/k3s/server 700
first=$SECONDS

# Soon after, a directory is made anew: a minute has to pass between two such starts.
rm -rf /etc/rancher
mkdir /etc/rancher
settles
[ $((SECONDS - first)) -ge 30 ] || fail "two starts for a new namespace within $((SECONDS - first)) s"
mkdir -p /etc/rancher/node
install -m 0644 /dev/null /etc/rancher/node/password
wait_until 60 restored /etc/rancher/node/password 600
expect_equal 2 "$(systemctl show -P NRestarts k3warden)" "new starts"
expect_contains "$(journalctl --no-pager -q -t k3warden -o cat)" "is not as K3s sees it from here"
# What stays read-only is no reason to start again and again: looked at for longer than the minute between two such starts.
mkdir -p /var/lib/cni
mount -t tmpfs -o ro disk /var/lib/cni
settles
sleep 70
expect_equal "$run" "$(systemctl show -P InvocationID k3warden)" "run"
expect_exit 0 k3warden ledger --verify
