# A change of ours that waits for a start of K3s is visible everywhere with what it waits for: under never the next natural start or apply
# --restart; else the window, this node's turn, the interval or the day's budget, and after these K3s is restarted by itself.
#@ limit 600
flags=
restarts() { # RULES
  set_policy 'metrics_file = "/var/lib/rancher/k3warden.prom"' "restart = { settle_time = \"3s\", settle_limit = \"60s\", $1 }" \
    "$(with_flags $flags)"
}
restarts 'mode = "never"'
offer_flags
install_k3s server
start_daemon
systemctl start k3s
wait_until 120 settled secrets-encryption
wait_until 90 status_has '"in_step": *true'
run=$(run_of_k3s)

# An operator weakens something; ours is made to win.
printf 'kube-apiserver-arg:\n- audit-log-maxage=3\n' > /etc/rancher/k3s/config.yaml
wait_until 90 status_has 'restart.mode is'
wait_until 30 told 'K3s should start again and is not restarted now: restart.mode is "never"'
expect_contains "$(k3warden status || true)" 'its restart is held: restart.mode is "never"'
metric() { grep -qxF "$1" /var/lib/rancher/k3warden.prom; }
wait_until 10 metric 'k3warden_k3s_restart_pending 1'
wait_until 10 metric 'k3warden_k3s_restart_held{waits_for="next-start"} 1'
expect_exit 1 k3warden apply
expect_contains "$output" "apply --restart"
expect_equal "$run" "$(run_of_k3s)" "the run"

# The next natural start takes it.
systemctl restart k3s
wait_until 90 status_has '"in_step": *true'
wait_until 10 metric 'k3warden_k3s_restart_pending 0'
# What a component runs with is unknown until K3s has said it, one after the other.
wait_until 120 k3warden check
expect_exit 0 k3warden apply

# By hand it is restarted, and followed until it has settled.
printf 'kube-apiserver-arg:\n- audit-log-maxage=3\n- audit-log-maxbackup=3\n' > /etc/rancher/k3s/config.yaml
wait_until 90 status_has 'restart.mode is'
expect_exit 0 k3warden apply --restart
expect_contains "$output" "K3s has settled"
expect_equal 3 "$(starts_of_k3s)" "starts"
wait_until 90 status_has '"in_step": *true'

# Otherwise each rule holds it alone: told, and K3s is left as it is.
run=$(run_of_k3s)
rules() { # MODE JITTER MINIMUM_INTERVAL PER_DAY [WINDOW]
  restarts "mode = \"$1\", jitter = \"$2\", minimum_interval = \"$3\", per_day = $4, windows = [${5:+\"$5\"}]"
  systemctl reload k3warden
}
held() { # REASON
  wait_until 60 status_has "\"held\": *\"$1"
  wait_until 30 told "K3s should start again and is not restarted now: $1"
  expect_contains "$(k3warden status || true)" "its restart is held: $1"
  wait_until 10 metric 'k3warden_k3s_restart_pending 1'
  wait_until 10 metric 'k3warden_k3s_restart_held{waits_for="time"} 1'
  expect_equal "$run" "$(run_of_k3s)" "the run"
}
restarted() { # TIMES FLAG: by us in all, and K3s has read it.
  wait_until 90 metric "k3warden_k3s_restarts_total{reason=\"change\"} $1"
  kubelet_has() { k3s_arguments kubelet | grep -q -- "--$1"; }
  wait_until 90 kubelet_has "$2"
  wait_until 90 status_has '"in_step": *true'
  wait_until 10 metric 'k3warden_k3s_restart_pending 0'
  expect_equal "$1" "$(times_told 'restarting K3s')" "restarts by us"
  run=$(run_of_k3s)
}
flags=kubelet
# Two hours are far from any minute in which this runs.
opens=$((($(date +%s) / 60 + 120) * 60))
window=$(date -d "@$opens" +%H:%M)-$(date -d "@$((opens + 3600))" +%H:%M)
rules window 0s 0s 50 "$window"
held "the window opens at $(date -d "@$opens" +%FT%T)"
# It opens: the clock comes near, and the daemon looks at it for the reload.
date -s "@$((opens - 5))" >/dev/null
systemctl reload k3warden
restarted 1 event-burst=55

flags="kubelet other"
rules auto 0s 10m 50
held 'the last restart was not long ago'
rules auto 0s 0s 1
held 'there were 2 restarts in 24 hours'
# Which turn is this node's nobody knows; of so many days it is none of the first minutes.
rules auto 300d 0s 50
held 'the restarts of a fleet are spread out'
rules auto 0s 0s 50
restarted 2 registry-burst=55
expect_equal 5 "$(starts_of_k3s)" "starts"

# Switched off, the status names what can go wrong.
touch /etc/k3warden/disabled
wait_until 90 status_has 'protect-kernel-defaults, and K3s does not start'
expect_contains "$(k3warden status || true)" 'beware: '
rm /etc/k3warden/disabled
