# With `auto` K3s is restarted when it must be, and not for drift of what it has read: that is repaired while it runs. And a K3s that ends
# by itself after READY, under what has worked before, is told of and not touched.
#@ limit 600
rules='settle_time = "3s", settle_limit = "60s", jitter = "0s", minimum_interval = "0s", per_day = 50'
set_policy "restart = { mode = \"auto\", $rules }"
install_k3s server
start_daemon
systemctl start k3s
wait_until 60 k3s_runs
wait_until 120 settled audit-log-maxage
server=/var/lib/rancher/k3s/server
read_by_k3s=("$drop_in" "$server/audit.yaml" "$server/psa.yaml")
sha256sum "${read_by_k3s[@]}" >/root/ours
as_it_was() { sha256sum --quiet -c /root/ours && [ "$(stat -c %a "${read_by_k3s[@]}" | sort -u)" = 600 ]; }
starts=$(starts_of_k3s)
for path in "${read_by_k3s[@]}"; do
  rm "$path"
  wait_until 30 as_it_was
  mv "$path" "$path.away"
  echo x >"$path"
  wait_until 30 as_it_was
  rm -f "$path.away"
  chmod 666 "$path"
  wait_until 30 as_it_was
done
# The other two may be an operator's own; of ours every byte is.
echo '# else' >>"$drop_in"
wait_until 30 as_it_was
# The gate looks when a burst is over, and once more.
sleep 8
expect_equal "$starts" "$(starts_of_k3s)" "starts of K3s"
expect_equal 0 "$(times_told 'restarting K3s')" "restarts by us"
wait_until 30 status_has '"in_step": *true'

echo 2 >/etc/k3s-standin/dies-after-ready
systemctl restart k3s
wait_until 90 told 'not because of a change of k3warden: .*told to'
more_starts() { [ "$(starts_of_k3s)" -ge $((starts + 3)) ]; }
wait_until 90 more_starts
as_it_was || fail "something of ours was touched"
[ ! -e /var/lib/k3warden/quarantine.json ] || fail "what had worked is in quarantine"
expect_equal 0 "$(times_told 'restarting K3s')" "restarts by us"
rm /etc/k3s-standin/dies-after-ready
wait_until 90 k3s_runs
