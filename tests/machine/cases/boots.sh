# A fresh machine runs systemd as PID 1 and journald, and its kernel values are its own.
expect_equal systemd "$(cat /proc/1/comm)" "PID 1"
expect_equal running "$(systemctl is-system-running)" "state of the system"
systemctl is-active systemd-journald

# Debian's defaults, before anyone hardens the machine.
expect_sysctl vm.overcommit_memory 0
expect_sysctl vm.panic_on_oom 0
expect_sysctl kernel.panic 0
expect_sysctl kernel.panic_on_oops 0
expect_sysctl kernel.keys.root_maxkeys 1000000
expect_sysctl kernel.keys.root_maxbytes 25000000
sysctl -q -w vm.panic_on_oom=1
expect_sysctl vm.panic_on_oom 1

logger -t a-case "the journal works"
wait_until 20 journalctl --no-pager -t a-case --grep "the journal works"
touch /tmp/attributes
chattr +i /tmp/attributes
expect_exit 1 rm /tmp/attributes
chattr -i /tmp/attributes
setfattr -n user.note -v here /tmp/attributes
expect_contains "$(getfattr -d /tmp/attributes)" 'user.note="here"'
