# A second end before the put-back, of a start of which the door left no record, does not clear the change that K3s did not live with.
#@ limit 900
. /share/fails-after-ready.sh
ready_are() { [ "$(journalctl --no-pager -q -b -o cat -u k3s | grep -c 'is up and running')" = "$1" ]; }
offer_flags
install_k3s server
# As where the door takes its ten seconds, on a node under load.
rm /etc/systemd/system/k3s.service.d/50-k3warden-door.conf
# Time to close the door to READY again behind the first start.
systemd_waits 10s
# Each start waits for what this case does while it lasts, however slow the machine is.
touch /etc/k3s-standin/not-ready
give_rise_to kubelet auto
policy auto 600s "$lines"
start_daemon
remember none
systemctl start --no-block k3s
wait_until 60 starts_are 1
# Without the door only a daemon that has looked during the start knows that it read what was there.
wait_until 240 status_has '"in_step": *true'
kill -STOP "$(systemctl show -P MainPID k3warden)"
rm /etc/k3s-standin/not-ready
wait_until 60 ready_are 1
touch /etc/k3s-standin/not-ready
wait_until 60 starts_are 2
# From now on the put-back is first.
systemd_waits 60s
key=$(key_as_made)
kill -CONT "$(systemctl show -P MainPID k3warden)"
wait_until 240 messages_are $quarantined_id 1
rm /etc/k3s-standin/not-ready
wait_until 240 lives
# Long enough for it to settle, and for what is not in quarantine to be written.
sleep 20
back 3
no_loop
expect_equal 1 "$(messages $quarantined_id)" "messages of a put-back"
restarted_by_us 0 1
