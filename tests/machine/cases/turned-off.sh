# What controls changed that a reload turns off stays, or is given back where the policy says so, beside a running K3s that reads some of it
# until its next start. Under a key Secrets go on being encrypted all the same.
#@ limit 600
server=/var/lib/rancher/k3s/server
manifest=$server/manifests/k3warden-netpol-default.yaml password=/etc/rancher/node/password values=/etc/sysctl.d/90-kubelet.conf
sysctl -q -w kernel.panic=3
install -D -m 644 /dev/null $password
policy() { set_policy 'restart = { mode = "never", settle_time = "3s", settle_limit = "60s" }' "$@"; }
policy
install_k3s server
start_daemon
systemctl start k3s
wait_until 120 settled secrets-encryption
key=$(sha256sum <$server/cred/encryption-config.json)
encrypted() {
  encryption_stands
  expect_equal "$key" "$(sha256sum <$server/cred/encryption-config.json)" "the key"
}
# One of each kind of thing: a kernel value, live and at boot, bits of K3s's own file, a manifest, a file that K3s is told of, its options.
is_held() {
  [ "$(sysctl -n kernel.panic) $(stat -c %a $password)" = "10 600" ] && grep -q '^kernel.panic = 10' $values && [ -e $manifest ] &&
    [ -e $server/audit.yaml ] && grep -q protect-kernel-defaults "$drop_in" && grep -q audit-policy-file "$drop_in"
}
wait_until 60 is_held

off=()
for control in kernel-panic protect-kernel-defaults node-password network-policy-default audit-policy audit-policy-file secrets-encryption; do
  off+=("[control.$control]" 'state = "off"')
done
# Told after the pass that comes with it.
rules_are_new() { [ "$(times_told 'new rules are in force')" -gt "$1" ]; }
reload() {
  local before
  before=$(times_told 'new rules are in force')
  systemctl reload k3warden
  wait_until 60 rules_are_new "$before"
}
policy "${off[@]}"
reload
is_held || fail "something was given back"
encrypted

policy 'on_disable = "revert"' "${off[@]}"
reload
is_given_back() {
  [ "$(sysctl -n kernel.panic) $(stat -c %a $password)" = "3 644" ] && ! grep -q '^kernel.panic =' $values && [ ! -e $manifest ] &&
    ! grep -q -e protect-kernel-defaults -e audit-policy-file "$drop_in"
}
wait_until 60 is_given_back
wait_until 30 told 'audit.yaml stays: the running K3s was started with it'
[ -e $server/audit.yaml ] || fail "what the running K3s was started with is gone"
grep -q '^kernel.panic_on_oops = 1' $values || fail "what is not turned off is gone"
encrypted
expect_equal 1 "$(starts_of_k3s)" "starts of K3s"

# The next start reads it no longer.
systemctl restart k3s
is_gone() { [ ! -e $server/audit.yaml ]; }
wait_until 90 is_gone
wait_until 60 k3s_runs
encrypted

policy
reload
wait_until 60 is_held
encrypted
expect_exit 0 k3warden ledger --verify
