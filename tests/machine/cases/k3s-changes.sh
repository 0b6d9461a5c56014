# A unit rewritten as install.sh does, another K3s binary and a bad edit of config.yaml: the state is right, K3s restarted when it must.
#@ limit 600
rules='settle_time = "3s", settle_limit = "60s", jitter = "0s", minimum_interval = "0s", per_day = 50'
set_policy "restart = { mode = \"auto\", $rules }"
install_k3s server
start_daemon
systemctl start k3s
wait_until 120 settled audit-log-maxage
wait_until 90 status_has '"in_step": *true'
run=$(run_of_k3s)
same_run() { expect_equal "$run" "$(run_of_k3s)" "the run after $1"; }

# install.sh writes the same unit again and restarts K3s itself: one start, and none of ours.
systemctl stop k3s
install_k3s server
systemctl start k3s
wait_until 60 k3s_runs
run=$(run_of_k3s)
wait_until 90 status_has '"in_step": *true'
# A comment in an operator's file changes nothing that K3s reads.
echo '# mine' > /etc/rancher/k3s/config.yaml
sleep 8
same_run "a comment"
# A value of an operator's that no control minds is the operator's to take up.
echo 'node-label: [ "a=b" ]' > /etc/rancher/k3s/config.yaml
wait_until 90 status_has "only the operator's own files"
same_run "an operator's own value"
# One that K3s would end on: nobody restarts it into that, and it is not ours to mend.
echo 'kube-apiserver-arg: [ "no-such-flag=1" ]' > /etc/rancher/k3s/config.yaml
wait_until 90 status_has 'K3s would not start'
expect_equal 'kube-apiserver-arg: [ "no-such-flag=1" ]' "$(cat /etc/rancher/k3s/config.yaml)" "the operator's file"
same_run "an edit that ends K3s"
# One that weakens and that ours wins over: the running K3s has read ours.
printf 'kube-apiserver-arg:\n- audit-log-maxage=3\n' > /etc/rancher/k3s/config.yaml
wait_until 90 status_has "only the operator's own files"
same_run "an edit that ours wins over"
expect_equal 0 "$(times_told 'restarting K3s')" "restarts by us"
# One that would take ours away: ours is made to win again, and K3s reads that.
printf 'kube-apiserver-arg:\n- audit-log-maxage=3\n' > /etc/rancher/k3s/config.yaml.d/zzz-mine.yaml
restarted() { [ "$run" != "$(run_of_k3s)" ]; }
wait_until 60 restarted
wait_until 60 k3s_runs
expect_contains "$(k3s_arguments kube-apiserver)" "--audit-log-maxage=30"
wait_until 90 status_has '"in_step": *true'
expect_equal 1 "$(times_told 'restarting K3s')" "restarts by us"
drop_in=$(echo /etc/rancher/k3s/config.yaml.d/*z-k3warden.yaml)

# Another K3s: a new baseline. The running one is left to whoever brought it, and its next start reads what the new one wants.
run=$(run_of_k3s)
echo v1.24.4+k3s1 > /etc/k3s-standin/version
cp /usr/local/bin/k3s /usr/local/bin/k3s.new && mv /usr/local/bin/k3s.new /usr/local/bin/k3s
wait_until 90 status_has 'there is another K3s binary'
same_run "another binary"
expect_contains "$(k3warden check --format json || true)" '1.24.4'
systemctl restart k3s
wait_until 60 k3s_runs
wait_until 90 status_has '"in_step": *true'
expect_exit 0 k3warden effective
encryption_stands
k3warden ledger --verify
