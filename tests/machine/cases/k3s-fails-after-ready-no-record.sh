# A second end before the put-back, of a start of which the door left no record, does not clear the change that K3s did not live with.
#@ limit 900
. /share/fails-after-ready.sh
offer_flags
install_k3s server
# As where the door takes its ten seconds, on a node under load.
rm /etc/systemd/system/k3s.service.d/50-k3warden-door.conf
systemd_waits 1s
# Time to stop the daemon between a start and its end, and to change what systemd does after it.
echo 20 > /etc/k3s-standin/ready-after
give_rise_to kubelet auto
policy auto 120s "$lines"
start_daemon
remember none
systemctl start --no-block k3s
wait_until 60 starts_are 1
# Without the door only a daemon that has looked during the start knows that it read what was there.
wait_until 30 status_has '"in_step": *true'
kill -STOP "$(systemctl show -P MainPID k3warden)"
wait_until 60 starts_are 2
# From now on the put-back is first, however slow the machine is.
systemd_waits 60s
key=$(key_as_made)
kill -CONT "$(systemctl show -P MainPID k3warden)"
wait_until 120 messages_are $quarantined_id 1
wait_until 120 lives
# Long enough for it to settle, and for what is not in quarantine to be written.
sleep 20
back 3
no_loop
expect_equal 1 "$(messages $quarantined_id)" "messages of a put-back"
restarted_by_us 0 1
