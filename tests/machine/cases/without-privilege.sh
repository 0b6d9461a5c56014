# Without root, check and diff show what they can see and apply says what it needs; nothing is changed.
mkdir -p -m 700 /var/lib/rancher/k3s/server/cred
install -m 644 /dev/stdin /var/lib/rancher/k3s/server/cred/admin.kubeconfig <<<secret
install -m 600 -D /dev/stdin /etc/rancher/k3s/config.yaml <<<'token: verysecret'
install -m 644 /dev/stdin /etc/systemd/system/k3s.service <<<$'[Service]\nExecStart=/usr/local/bin/k3s server'
describe_tree /etc /var/lib >/root/before
as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
expect_exit 2 $as_nobody k3warden check --all
expect_contains "$output" "run as root to see it"
expect_contains "$output" "vm.overcommit_memory"
case $output in *verysecret*) fail "a secret is shown" ;; esac
expect_exit 2 $as_nobody k3warden diff
expect_exit 2 $as_nobody k3warden apply
expect_contains "$output" "needs root"
expect_exit 2 $as_nobody k3warden revert
describe_tree /etc /var/lib >/root/after
diff /root/before /root/after || fail "something was changed"
