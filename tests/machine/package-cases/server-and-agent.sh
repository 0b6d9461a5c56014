# Two machines that differ only in their role differ, once hardened, in what the guide asks of servers alone, and in nothing else.
#@ bare
#@ limit 900
# One after the other on the same disk; purge in between gives the second one the first one's beginning.
mkdir -p /etc/k3warden/config.d
touch /etc/k3warden/config.d/50-site.toml
describe_host >/root/before
hardened() { describe_tree /etc/sysctl.d /etc/rancher /var/lib/rancher /etc/systemd /usr/lib/systemd; sysctl -a 2>/dev/null | grep -E '^(vm|kernel)\.(panic|overcommit|keys)'; }
for role in server agent; do
  printf 'role = "%s"\nk3s_version = "1.36.3"\nnew_cluster = true\n' "$role" >/etc/k3warden/config.d/50-site.toml
  apt-get install -y /share/k3warden.deb >/root/said 2>&1 || fail "$(cat /root/said)"
  wait_until 60 systemctl is-active k3warden.service
  expect_exit 0 k3warden check
  hardened >/root/$role
  apt-get purge -y k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
  : >/etc/k3warden/config.d/50-site.toml
  expect_given_back /root/before
done
# Only servers have a directory `server`; both have an own drop-in, with other options in it.
differences=$(diff /root/server /root/agent || true)
[ -n "$differences" ] || fail "the two are the same"
expect_contains "$differences" "< /var/lib/rancher/k3s/server/audit.yaml"
others=$(grep '^[<>]' <<<"$differences" | grep -v '^[<>] \(.* \)*/var/lib/rancher/k3s\(/server[^ ]*\)*\( \|$\)' |
  grep -v '/etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml' | grep -v '^< [0-9a-f]*  /var/lib/rancher/k3s/server/' || true)
expect_equal "" "$others" "what else differs"
