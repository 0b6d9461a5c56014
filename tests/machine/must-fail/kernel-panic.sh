# A machine whose kernel panics fails the case and shows what the kernel said.
# says: Kernel panic - not syncing: sysrq triggered crash
#@ limit 15
echo 1 > /proc/sys/kernel/sysrq
echo c > /proc/sysrq-trigger
sleep 1000
