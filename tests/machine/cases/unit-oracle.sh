# Four hundred units at random: what k3warden reads in them is what systemd starts, word by word and variable by variable.
#@ limit 600
mkdir -p /run/unit-oracle
install -m 0755 /share/unit-oracle /run/unit-oracle/words
/share/unit-oracle write 1 400 > /root/names
systemctl daemon-reload
# shellcheck disable=SC2046 # many names
systemctl start $(cat /root/names) 2>/dev/null || true
# shellcheck disable=SC2046
/share/unit-oracle compare $(cat /root/names) > /root/said || fail "$(cat /root/said)"
cat /root/said
