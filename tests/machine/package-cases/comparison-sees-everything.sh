# What the cases here compare before and after sees a change of content, mode, owner and extended attributes, what is new and what is gone,
# wherever a package could do it, and a live kernel parameter; and it fails where something else than was said is different.
#@ bare
places=(/etc /usr/lib /var/lib /opt)
for place in "${places[@]}"; do
  for kind in content mode owner attributes gone; do echo a >"$place/seen-$kind"; done
done
describe_host >/root/before
expect_given_back /root/before

named=()
for place in "${places[@]}"; do
  # As long as before, and as old.
  echo b >"$place/seen-content"
  touch -r "$place/seen-mode" "$place/seen-content"
  chmod 600 "$place/seen-mode"
  chown 1:1 "$place/seen-owner"
  setfattr -n user.seen -v yes "$place/seen-attributes"
  rm "$place/seen-gone"
  mkdir "$place/seen-new"
  for kind in content mode owner attributes gone new; do named+=("$place/seen-$kind"); done
done
sysctl -q -w kernel.panic=3
mkdir -p /run/k3warden /var/log/k3warden
named+=(kernel.panic /run/k3warden /var/log/k3warden)
(expect_given_back /root/before) >/root/said && fail "the comparison sees nothing"
expect_equal "$(printf '%s\n' "${named[@]}" | sort)" "$(awk '{ print $2 }' /root/difference | sort -u)" "what differs"

# One that is named with its mode is left out, and no other; one that is named and does not differ is a failure.
(expect_given_back /root/before 700 /etc/seen-mode) >/root/said && fail "another mode is taken"
(expect_given_back /root/before 600 /etc/hostname) >/root/said && fail "a path is named that is as before"
expect_contains "$(cat /root/said)" "/etc/hostname is as it was before"
