# A new cluster of a real K3s on a machine that k3warden hardened before: encrypted, restricted and audited from its first start, held, and
# spared a flag that it would not live with.
#@ memory 4096
#@ limit 2400
. /share/real-k3s.sh
policy() { set_policy 'restart = { mode = "auto", settle_time = "20s", jitter = "0s", minimum_interval = "0s", per_day = 50 }' "$@"; }
policy
systemctl reload k3warden
install_real_k3s server
systemctl start k3s
wait_until 400 k3s_runs
expect_equal 1 "$(starts_of_k3s)" "starts of K3s"
wait_until 300 settled secrets-encryption
expect_exit 1 k3warden check
expect_equal "" "$(divergent)" "what does not hold"
case $output in *unknown*) fail "something is unknown: $output" ;; esac
expect_contains "$(k3s secrets-encrypt status 2>&1)" "Encryption Status: Enabled"
audited() { [ -s /var/lib/rancher/k3s/server/logs/audit.log ]; }
wait_until 60 audited
# The deploy controller has taken our manifests.
policies() { [ "$(kubectl get networkpolicies -A -o name | wc -l)" -ge 3 ]; }
wait_until 120 policies
# The Pod Security defaults hold: a privileged pod is refused in a namespace of users, by name.
kubectl create namespace site >/dev/null
wait_until 120 kubectl -n site get serviceaccount default
expect_exit 1 kubectl -n site run evil --image=none --privileged
expect_contains "$output" 'violates PodSecurity "restricted'
expect_equal false "$(kubectl -n default get serviceaccount default -o 'jsonpath={.automountServiceAccountToken}')" "token of the default account"

# Drift, while the cluster lives.
chmod 0644 /var/lib/rancher/k3s/server/cred/admin.kubeconfig
sysctl -q -w kernel.panic=0
right() { [ "$(stat -c %a /var/lib/rancher/k3s/server/cred/admin.kubeconfig) $(sysctl -n kernel.panic)" = "600 10" ]; }
wait_until 30 right
expect_equal 1 "$(starts_of_k3s)" "starts of K3s"

# A flag with which its scheduler would end when the node is Ready: it is never written.
mkdir -p /etc/k3warden/catalogue.d
cat >/etc/k3warden/catalogue.d/flag.toml <<'CONTROL'
[[control]]
id = "scheduler-flag"
title = "A flag"
why = "To see what happens then."
role = "any"
default = "off"
[[control.argument]]
component = "kube-scheduler"
flag = "kube-api-burst"
require = { equals = "many" }
set = "many"
CONTROL
good=$(sha256sum <"$drop_in")
policy '[control.scheduler-flag]' 'state = "enforce"'
systemctl reload k3warden
wait_until 120 told 'K3s would not start with it: scheduler exited: invalid argument "many"' err
expect_equal "$good" "$(sha256sum <"$drop_in")" "our drop-in"
expect_equal 1 "$(starts_of_k3s)" "starts of K3s"
encryption_stands
