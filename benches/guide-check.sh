#!/bin/sh
# The guide's self-assessment by hand, on the host in directory $1: the same files and kernel parameters, looked at with stat and grep.
set -u
data=$1/var/lib/rancher/k3s
for key in vm.panic_on_oom vm.overcommit_memory kernel.panic kernel.panic_on_oops kernel.keys.root_maxbytes kernel.keys.root_maxkeys; do
	grep -h "^$key *=" "$1"/etc/sysctl.d/*.conf
done
for path in "$data/server" "$data/server/logs" "$data/server/manifests" "$data/server/tls" "$data/server/cred" "$data/agent" \
	"$data"/server/*.yaml "$data"/server/cred/*.kubeconfig "$data"/agent/*.kubeconfig "$data/server/token"; do
	stat -c '%a %U:%G %n' "$path"
done
find "$data/server/tls" "$data/agent" -name '*.key' -exec stat -c '%a %U:%G %n' {} +
find "$data/server/tls" "$data/agent" -name '*.crt' -exec stat -c '%a %U:%G %n' {} +
for flag in audit-policy-file audit-log-path audit-log-maxage audit-log-maxbackup audit-log-maxsize; do
	grep -h "$flag" -r "$1/etc/rancher/k3s"
done
