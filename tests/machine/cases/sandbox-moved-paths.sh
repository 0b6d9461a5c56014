# A data directory, a configuration and metrics that are elsewhere are writable in the package's sandbox, also when they move while the daemon runs.
#@ limit 600
mkdir -p /data/k3s /opt/edge /var/lib/node_exporter
set_policy 'role = "server"' 'metrics_file = "/var/lib/node_exporter/k3warden.prom"' '[restart]' 'mode = "never"'
install_k3s server
printf 'data-dir: /data/k3s\n' > /opt/edge/k3s.yaml
printf 'K3S_CONFIG_FILE=/opt/edge/k3s.yaml\n' > /etc/systemd/system/k3s.service.env
install_units
drop_in=/etc/systemd/system/k3warden.service.d/50-paths.conf

# The command line writes the drop-in, has systemd read it, and the daemon starts with it.
k3warden apply >/root/said 2>&1 || [ $? = 1 ] || fail "$(cat /root/said)"
expect_contains "$(cat "$drop_in")" 'ReadWritePaths="-/data/k3s" "-/opt/edge" "-/var/lib/node_exporter"'
expect_equal no "$(systemctl show -P NeedDaemonReload k3warden)" "left to read"
expect_contains "$(systemctl show -P RequiresMountsFor k3warden)" /data/k3s
systemctl start k3warden
run=$(systemctl show -P InvocationID k3warden)
expect_mode 700 /data/k3s/server
restored() { [ "$(stat -c %a "$1")" = "$2" ]; }
chmod 777 /data/k3s/server
wait_until 30 restored /data/k3s/server 700
chmod 666 /opt/edge/k3s.yaml
wait_until 30 restored /opt/edge/k3s.yaml 600
rm /opt/edge/k3s.yaml.d/zz-k3warden.yaml
wait_until 60 test -s /opt/edge/k3s.yaml.d/zz-k3warden.yaml
wait_until 30 grep -q k3warden_build_info /var/lib/node_exporter/k3warden.prom
expect_equal "$run" "$(systemctl show -P InvocationID k3warden)" "the daemon's run: nothing was stale"

# The operator moves it on while the daemon runs: the daemon writes the drop-in and systemd builds its namespace anew, once.
mkdir -p /disk2/k3s/server && chmod 755 /disk2/k3s/server
printf 'data-dir: /disk2/k3s\n' > /opt/edge/k3s.yaml
wait_until 180 daemon_runs_since "$run"
expect_contains "$(cat "$drop_in")" '"-/disk2/k3s"'
wait_until 60 restored /disk2/k3s/server 700
run=$(systemctl show -P InvocationID k3warden)
chmod 777 /disk2/k3s/server
wait_until 30 restored /disk2/k3s/server 700
sleep 5
expect_equal "$run" "$(systemctl show -P InvocationID k3warden)" "the daemon's run: rebuilt once"
expect_equal 1 "$(systemctl show -P NRestarts k3warden)" "new starts of the daemon"
expect_exit 0 k3warden ledger --verify

# It is taken back like everything else.
systemctl stop k3warden
k3warden revert >/root/said 2>&1 || [ $? = 1 ] || fail "$(cat /root/said)"
[ ! -e "$drop_in" ] && [ ! -e "${drop_in%/*}" ] || fail "the drop-in stays after revert"
expect_equal no "$(systemctl show -P NeedDaemonReload k3warden)" "left to read after revert"
