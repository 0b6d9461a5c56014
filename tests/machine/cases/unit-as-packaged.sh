# The daemon in its unit: down for a wrong policy until it is mended, ready although systemctl hangs, without descriptors and watches, at its own intervals.
#@ limit 600
set_policy '[restart]' 'mode = "never"'
install_k3s server
rm -rf /etc/systemd/system/k3s.service.d
install_units
of_unit() { systemctl show -P "$1" k3warden; }
told_of() { journalctl --no-pager -q -b "MESSAGE_ID=$1" "${@:2}" -o cat | grep -c . || true; }
repaired=a712755f6cac44d599d5269512e74f7b polling=0c28cec1b94742afa4b936976b4b76b0 seeing=a398d022d4354df48322905089933837
is() { [ "$(sysctl -n kernel.panic)" = "$1" ]; }

# What is wrong in a file no start mends: it stays down, and says which line.
cp /etc/k3warden/config.toml /root/policy
echo 'nonsense = 1' >>/etc/k3warden/config.toml
expect_exit 1 systemctl start k3warden
sleep 12
expect_equal "failed 2 0" "$(of_unit ActiveState) $(of_unit ExecMainStatus) $(of_unit NRestarts)" "state, exit status and restarts"
told 'config.toml:3:1: unknown key .nonsense' err || fail "the line is not named"
cp /root/policy /etc/k3warden/config.toml
systemctl start k3warden
wait_until 60 k3warden diff

# It waits for no answer of systemd before it is ready: TimeoutStartSec= of the package is far below what the command takes. Emulated, the
# sandbox alone takes ten times as long as on a machine, so the start is compared with one before which nothing hangs.
taken() { # the seconds of a start
  local since=$SECONDS
  systemctl restart k3warden
  echo $((SECONDS - since))
}
plain=$(taken)
printf '#!/bin/sh\nexec sleep 601\n' >/usr/local/bin/hangs
chmod 755 /usr/local/bin/hangs
systemctl stop k3warden
mount --bind /usr/local/bin/hangs /usr/bin/systemctl
sysctl -q -w kernel.panic=0
since=$SECONDS
busctl call -q org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss k3warden.service replace
is_ready() { [ "$(busctl get-property org.freedesktop.systemd1 /org/freedesktop/systemd1/unit/k3warden_2eservice org.freedesktop.systemd1.Unit ActiveState)" = 's "active"' ]; }
wait_until 100 is_ready
hanging=$((SECONDS - since))
is 10 || fail "the first pass was not made before it was ready"
# Somebody may be starting it just now.
umount --lazy /usr/bin/systemctl
[ "$hanging" -lt $((plain + 20)) ] || fail "ready after $hanging s where systemctl hangs, $plain s where it does not"
pkill -fx 'sleep 601' || true

# Its own intervals: what raises no event is found by the timer of ten seconds, and what does is repaired at once, also after the kernel
# took its memory back.
unshare --pid --fork --mount-proc sysctl -q -w kernel.panic=3
wait_until 40 is 10
echo 2 >/proc/sys/vm/drop_caches
sysctl -q -w kernel.panic=0
sleep 1
is 10 || fail "no event came after drop_caches"

# One line for a change, with what was and what is.
before=$(told_of "$repaired")
chmod 0666 /etc/sysctl.d/90-kubelet.conf
has_mode() { [ "$(stat -c %a /etc/sysctl.d/90-kubelet.conf)" = 644 ]; }
wait_until 20 has_mode
sleep 2
expect_equal $((before + 1)) "$(told_of "$repaired")" "lines of repairs"
expect_contains "$(journalctl --no-pager -q -b "MESSAGE_ID=$repaired" -o cat -n 1)" "0666 0:0 → file of"

# Everybody may ask how it is, and gets no secret.
setpriv --reuid 65534 --regid 65534 --clear-groups k3warden status >/root/status || fail "status as nobody: $(cat /root/status)"
expect_contains "$(cat /root/status)" "controls hold"

# A catalogue that is wrong is refused by a reload, and the old one holds.
mkdir -p /etc/k3warden/catalogue.d
printf '[[control]]\nid = 7\n' >/etc/k3warden/catalogue.d/wrong.toml
systemctl reload k3warden
wait_until 20 told 'wrong.toml:2'
sysctl -q -w kernel.panic=0
wait_until 20 is 10
rm /etc/k3warden/catalogue.d/wrong.toml
systemctl reload k3warden

# Without an instance of inotify it looks by itself, says so once, and sees again without a start.
limit=$(sysctl -n fs.inotify.max_user_instances)
instance=$(of_unit InvocationID)
sysctl -q -w fs.inotify.max_user_instances=0
systemctl restart k3warden
[ "$(of_unit InvocationID)" != "$instance" ] || fail "it was not started anew"
polls() { [ "$(told_of "$polling")" = 1 ]; }
wait_until 30 polls
chmod 0666 /etc/sysctl.d/90-kubelet.conf
wait_until 60 has_mode
expect_equal 1 "$(told_of "$polling")" "lines that it polls"
sysctl -q -w fs.inotify.max_user_instances="$limit"
sees() { [ "$(told_of "$seeing")" = 1 ]; }
wait_until 120 sees
chmod 0666 /etc/sysctl.d/90-kubelet.conf
sleep 1
has_mode || fail "no event came after it saw again"

# A dozen descriptors beyond those that it keeps are enough.
mkdir -p /run/systemd/system/k3warden.service.d
printf '[Service]\nLimitNOFILE=32\n' >/run/systemd/system/k3warden.service.d/20-few.conf
systemctl daemon-reload
systemctl restart k3warden
sysctl -q -w kernel.panic=0
chmod 0666 /etc/sysctl.d/90-kubelet.conf
wait_until 60 is 10
wait_until 60 has_mode
systemctl is-active -q k3warden
k3warden ledger --verify
