# A fresh machine is hardened, stays so over a boot's own systemd-sysctl and a reboot, and everything can be taken back.
#@ limit 600
# Our own state stays: the record of what was done and taken back.
seen() { find /etc /var/lib /usr/lib/sysctl.d -xdev -path /var/lib/k3warden -prune -o -path /var/lib/systemd -prune -o -printf '%p %y %m %U:%G %l\n' | sort
  find /etc /usr/lib/sysctl.d -xdev -type f -print0 | sort -z | xargs -0 sha256sum
  for key in $keys; do echo "$key $(sysctl -n "$key")"; done; }
keys="vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes"
hardened() {
  expect_sysctl vm.overcommit_memory 1
  expect_sysctl vm.panic_on_oom 0
  expect_sysctl kernel.panic 10
  expect_sysctl kernel.panic_on_oops 1
  expect_sysctl kernel.keys.root_maxkeys 1000000
  expect_sysctl kernel.keys.root_maxbytes 25000000
}
sysctl -q -w kernel.keys.root_maxkeys=2000
seen >/root/before
expect_exit 1 k3warden check
expect_exit 1 k3warden diff
seen >/root/looked
diff /root/before /root/looked || fail "check or diff changed something"

expect_exit 0 k3warden apply
hardened
expect_exit 0 k3warden check
expect_exit 0 k3warden diff
expect_contains "$output" "Nothing to change."
expect_exit 0 k3warden apply
expect_contains "$output" "Nothing to change."
expect_exit 0 k3warden ledger --verify

# Another tool sets a value; what a boot would run puts it right, and we see both.
sysctl -q -w vm.overcommit_memory=0
expect_exit 1 k3warden check vm-overcommit-memory
/usr/lib/systemd/systemd-sysctl
expect_exit 0 k3warden check
hardened

# A later file wins at boot: named with its line, beaten without being edited.
printf '# somebody\nkernel.panic = 0\n' >/etc/sysctl.d/99-zz-somebody.conf
sum=$(sha256sum /etc/sysctl.d/99-zz-somebody.conf)
expect_exit 1 k3warden check kernel-panic
expect_contains "$output" /etc/sysctl.d/99-zz-somebody.conf:2
expect_exit 0 k3warden apply
expect_equal "$sum" "$(sha256sum /etc/sysctl.d/99-zz-somebody.conf)" "the operator's file"
/usr/lib/systemd/systemd-sysctl
hardened
#@ reboot
expect_sysctl vm.overcommit_memory 1
expect_sysctl kernel.panic 10
expect_sysctl kernel.panic_on_oops 1
expect_sysctl kernel.keys.root_maxkeys 1000000
expect_exit 0 k3warden check
expect_exit 0 k3warden ledger --verify
rm /etc/sysctl.d/99-zz-somebody.conf
expect_exit 0 k3warden revert
keys="vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes"
{ find /etc /var/lib /usr/lib/sysctl.d -xdev -path /var/lib/k3warden -prune -o -path /var/lib/systemd -prune -o -printf '%p %y %m %U:%G %l\n' | sort
  find /etc /usr/lib/sysctl.d -xdev -type f -print0 | sort -z | xargs -0 sha256sum
  for key in $keys; do echo "$key $(sysctl -n "$key")"; done; } >/root/after
diff /root/before /root/after || fail "not everything is as before"
