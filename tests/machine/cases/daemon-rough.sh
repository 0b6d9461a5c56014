# Killed, stopped, without a journal, beside a systemctl that hangs, in another year, on a full disk, with a broken policy: it goes on.
#@ limit 600
rules='settle_time = "3s", settle_limit = "60s", jitter = "0s", minimum_interval = "0s", per_day = 50'
set_policy "restart = { mode = \"auto\", $rules }"
offer_flags
install_k3s server
mkdir -p /etc/systemd/system/k3warden.service.d
printf '[Service]\nWatchdogSec=15\n' > /etc/systemd/system/k3warden.service.d/50-quick.conf
start_daemon
systemctl start k3s
wait_until 120 settled audit-log-maxage
server=/var/lib/rancher/k3s/server
is_right() {
  [ "$(stat -c %a $server)" = 700 ] && [ "$(sysctl -n kernel.panic)" = 10 ] && grep -q audit-log-maxage "$drop_in"
}
harm() { chmod 755 $server; sysctl -q -w kernel.panic=0; }
repairs() { # WHAT
  harm
  wait_until 40 is_right
}
daemon() { systemctl show -P MainPID k3warden; }
# systemd says `active` until it has taken note of an end, and then has no main process: 0, which kill takes for all of ours.
other_daemon() { systemctl is-active -q k3warden && [ "$(daemon)" != "$old" ] && [ "$(daemon)" != 0 ]; }

# kill -9 under load.
for turn in 1 2 3 4; do
  for step in 1 2 3 4 5 6; do harm; rm -f "$drop_in"; sleep 0.0$((RANDOM % 10)); done
  old=$(daemon)
  kill -9 "$old"
  sleep 0.$((RANDOM % 10))
  # systemd starts it again after five seconds, however often.
  wait_until 60 other_daemon
done
wait_until 40 is_right
k3warden ledger --verify
encryption_stands

# A hang is a restart.
old=$(daemon)
kill -STOP "$old"
wait_until 90 other_daemon
repairs

# Without journald it repairs; what could not be told is counted.
systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service 2>/dev/null || true
repairs
systemctl start systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service
wait_until 30 is_right

# systemd that does not answer.
printf '#!/bin/sh\nexec sleep 601\n' > /usr/local/bin/hangs
chmod 755 /usr/local/bin/hangs
pid=$(daemon)
mount --bind /usr/local/bin/hangs /usr/bin/systemctl
set_policy "restart = { mode = \"auto\", $rules }" "$(with_flags kubelet)"
kill -HUP "$pid"
wait_until 40 grep -q event-burst "$drop_in"
repairs
sleep 6
repairs
# Also one that starts just then.
kill -9 "$pid"
repairs
# Somebody may be starting it just now.
umount --lazy /usr/bin/systemctl
gone() { ! pgrep -fx 'sleep 601'; }
wait_until 30 gone
wait_until 120 settled event-burst
expect_contains "$(k3s_arguments kubelet)" "event-burst=55"

# The clock goes back a year.
date -s '-1 year' > /dev/null
repairs
systemctl restart k3s
wait_until 60 k3s_runs
wait_until 90 status_has '"in_step": *true'
date -s '+1 year' > /dev/null
systemctl is-active -q k3warden

# A broken policy is refused, and the old one holds.
echo 'nonsense = 1' >> /etc/k3warden/config.toml
systemctl reload k3warden
wait_until 20 told 'nonsense'
repairs
set_policy "restart = { mode = \"auto\", $rules }" "$(with_flags kubelet)"
systemctl reload k3warden

# A full disk: what needs no room is repaired, and the rest when there is room again.
fallocate -l "$(($(df -B1 --output=avail / | tail -n 1) * 9 / 10))" /var/lib/full
cat /dev/zero > /var/lib/full2 2>/dev/null || true
harm
rm "$drop_in"
needs_no_room() { [ "$(stat -c %a $server)" = 700 ] && [ "$(sysctl -n kernel.panic)" = 10 ]; }
wait_until 40 needs_no_room
expect_equal 0 "$(df -B1 --output=avail / | tail -n 1 | awk '{ print int($1 / 65536) }')" "room left, in 64 KiB"
[ ! -s "$drop_in" ] || fail "the disk was not full"
systemctl is-active -q k3warden
rm /var/lib/full /var/lib/full2
wait_until 60 is_right
encryption_stands
k3warden ledger --verify
