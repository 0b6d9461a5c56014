# apt install on a machine that never saw K3s: the package configures, the node's own level is hardened and the daemon holds it.
#@ bare
#@ limit 600
expect_sysctl kernel.panic 0
apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "k3warden: every enforced control holds"
expect_equal "ii " "$(dpkg-query -W -f '${db:Status-Abbrev}' k3warden)" "dpkg's state"
[ -f /etc/k3warden/config.d/README ] || fail "there is no directory for the site's policy"

expect_sysctl vm.overcommit_memory 1
expect_sysctl vm.panic_on_oom 0
expect_sysctl kernel.panic 10
expect_sysctl kernel.panic_on_oops 1
expect_exit 0 k3warden check

wait_until 60 systemctl is-active k3warden.service
expect_equal enabled "$(systemctl is-enabled k3warden.service)" "state of k3warden.service"
expect_equal disabled "$(systemctl is-enabled k3warden-apply.service || true)" "state of k3warden-apply.service"
# Where there is no K3s the daemon sleeps too.
used() { systemctl show -P CPUUsageNSec k3warden; }
before=$(used)
sleep 10
[ $(($(used) - before)) -lt 2000000000 ] || fail "the daemon took $((($(used) - before) / 1000000)) ms of processor time in 10 s"
stays_small

# Where somebody goes back to the presets, as systemd does at the first boot of an image.
systemctl preset k3warden.service k3warden-apply.service
expect_equal "k3warden.service enabled enabled,k3warden-apply.service disabled disabled" \
  "$(systemctl list-unit-files --no-legend 'k3warden*' | awk '{ print $1, $2, $3 }' | sort -r | paste -sd,)" "units, their state and preset"
wait_until 30 bash -c "systemctl --no-pager status k3warden.service | grep '^ *Status: \"[0-9]* controls hold'"
systemctl --no-pager status k3warden.service
# There is no man in this machine, so the pages that the units name are looked for here.
systemd-analyze verify k3warden.service k3warden-apply.service 2>/root/verify || true
expect_equal "" "$(sed "/Command 'man /d" /root/verify)" "systemd-analyze verify"
systemctl cat k3warden.service k3warden-apply.service | sed -n 's/^Documentation=//p' | tr ' ' '\n' |
  sed -n 's/^man:\(.*\)(\(.\))$/\1 \2/p' | sort -u >/root/pages
[ -s /root/pages ] || fail "the units name no manual page"
while read -r name section; do
  [ -e "/usr/share/man/man$section/$name.$section.gz" ] || fail "the units name $name($section), which the package lacks"
done </root/pages
score=$(systemd-analyze security --no-pager k3warden.service | sed -n 's/.*exposure level for k3warden.service: \([0-9.]*\).*/\1/p')
awk -v score="$score" 'BEGIN { exit !(score > 0 && score <= 1.4) }' || fail "exposure $score"

# What the message catalogue says reaches journalctl -x.
wait_until 30 bash -c 'journalctl -x --no-pager -t k3warden | grep -q "k3warden watches this node"'
#@ reboot
wait_until 60 systemctl is-active k3warden.service
expect_sysctl kernel.panic 10
expect_exit 0 k3warden check
expect_equal running "$(systemctl is-system-running)" "state of the system"
