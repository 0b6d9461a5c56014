# A reboot in the middle of a case keeps the disk and nothing of the live kernel; a power cut keeps what was synced.
boot=$(cat /proc/sys/kernel/random/boot_id)
echo "$boot" > /root/boot
sysctl -q -w vm.panic_on_oom=1
#@ reboot
boot=$(cat /proc/sys/kernel/random/boot_id)
[ "$boot" != "$(cat /root/boot)" ] || fail "this is still the boot before"
expect_sysctl vm.panic_on_oom 0
expect_equal running "$(systemctl is-system-running)" "state of the system"
echo "$boot" > /root/boot
echo kept > /root/synced
sync
echo lost > /root/unsynced
#@ cut-power
[ "$(cat /proc/sys/kernel/random/boot_id)" != "$(cat /root/boot)" ] || fail "this is still the boot before"
expect_equal kept "$(cat /root/synced)" "a file synced before the power cut"
[ ! -s /root/unsynced ] || fail "the page cache survived: that was no power cut"
