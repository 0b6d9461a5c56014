# README.md's commands, each one, typed in their order by a new user whose K3s is installed and not started yet. A command in README.md
# that stands not in here fails.
#@ bare
#@ limit 1500
# A line of an indented block without its comment, or a span in backquotes that begins like a command.
awk '
  /^```/ { fenced = !fenced }
  fenced { next }
  /^    [^ ]/ { sub(/^ +/, ""); sub(/  +#.*/, ""); sub(/ +$/, ""); print; next }
  {
    pieces = split($0, piece, "`")
    for (i = 2; i <= pieces; i += 2)
      if (piece[i] ~ /^(apt|cargo|dnf|journalctl|systemctl|touch|zypper) / || piece[i] ~ /^k3warden [a-z]/ ||
          piece[i] ~ /^target\/release\/k3warden / || piece[i] ~ /^(tests|packaging|benches)\/[a-z]+$/ || piece[i] == "/var/lib/k3warden/purge")
        print piece[i]
  }' /share/README.md | awk '!seen[$0]++' >/root/commands
[ "$(wc -l </root/commands)" -ge 20 ] || fail "only these commands were found: $(cat /root/commands)"

# type_in CODE COMMAND [PART]: as typed, every question answered with yes; its exit code, and a part of what it says.
type_in() {
  local code=0
  output=$(cd /root && { yes || true; } 2>/dev/null | bash -c "$2" 2>&1) || code=$?
  expect_equal "$1" "$code" "exit code of '$2', which said:
$output"
  expect_contains "$output" "${3:-}"
}

# The program that cargo would have built, on a machine that never had the package.
from_a_checkout() {
  case $1 in
  "cargo run --release -- --apply")
    mkdir -p /root/target/release
    dpkg-deb --fsys-tarfile /share/k3warden.deb | tar -xO ./usr/bin/k3warden >/root/target/release/k3warden
    chmod 0755 /root/target/release/k3warden
    describe_host >/root/before
    type_in 0 "target/release/k3warden --apply"
    expect_sysctl kernel.panic 10 ;;
  "target/release/k3warden revert")
    type_in 0 "$1"
    # Its record is all that is left, and what goes with the boot.
    rm -r /var/lib/k3warden /run/k3warden
    expect_given_back /root/before ;;
  *) fail "README.md has a command that nobody has tried: $1" ;;
  esac
}

by_apt() {
  case $1 in
  "apt install ./k3warden_"*"_amd64.deb")
    expect_equal "k3warden_$(dpkg-deb -f /share/k3warden.deb Version)_amd64.deb" "$(basename "$1")" "the package's name"
    cp /share/k3warden.deb "/root/$(basename "$1")"
    type_in 0 "$1" "k3warden: every enforced control holds"
    expect_sysctl kernel.panic 10
    wait_until 60 systemctl is-active k3warden.service
    systemctl start k3s
    wait_until 120 k3s_runs
    wait_until 120 k3warden check
    # The daemon looks again when the start of K3s has settled; until then status says what it saw when K3s had just begun.
    wait_until 180 k3warden status ;;
  # These two made what is tested here; nothing of either can run inside it.
  tests/run | packaging/build) [ -s /share/k3warden.deb ] || fail "no package" ;;
  "k3warden diff") type_in 0 "$1" "Nothing to change." ;;
  "k3warden check") type_in 0 "$1" "compliant" ;;
  "k3warden explain 4.2.6") type_in 0 "$1" "Defined in:  built-in" ;;
  "k3warden effective") type_in 0 "$1" "audit-log-maxage" ;;
  "k3warden status") type_in 0 "$1" "controls hold" ;;
  "journalctl -x -t k3warden") type_in 0 "$1" "Subject: k3warden watches this node" ;;
  "systemctl stop k3warden")
    type_in 0 "$1"
    sysctl -q -w kernel.panic=3
    sleep 5
    expect_sysctl kernel.panic 3
    type_in 0 "systemctl start k3warden"
    wait_until 60 bash -c '[ "$(sysctl -n kernel.panic)" = 10 ]' ;;
  "systemctl reload k3warden")
    type_in 0 "$1"
    wait_until 60 journalctl --no-pager -q -t k3warden --grep 'rules are in force' ;;
  "k3warden apply") type_in 0 "$1" "Nothing to change." ;;
  "k3warden apply --restart") type_in 0 "$1" "not restarted" ;;
  "k3warden retry") type_in 0 "$1" ;;
  "k3warden pause --for 2h --reason \"disk swap\"")
    type_in 0 "$1"
    wait_until 30 bash -c 'k3warden status 2>&1 | grep -q "disk swap"'
    sysctl -q -w kernel.panic=3
    sleep 5
    expect_sysctl kernel.panic 3
    type_in 0 "k3warden pause --end"
    wait_until 60 bash -c '[ "$(sysctl -n kernel.panic)" = 10 ]' ;;
  "touch /etc/k3warden/disabled")
    type_in 0 "$1"
    # What was wrong before the daemon has seen the file may still be repaired.
    wait_until 30 bash -c 'k3warden status 2>&1 | grep -q "/etc/k3warden/disabled exists"'
    sysctl -q -w kernel.panic=3
    sleep 5
    expect_sysctl kernel.panic 3
    rm /etc/k3warden/disabled
    wait_until 60 bash -c '[ "$(sysctl -n kernel.panic)" = 10 ]' ;;
  "k3warden revert")
    type_in 0 "systemctl stop k3warden"
    output=$(k3warden revert 2>&1) || [ $? = 1 ] || fail "$output"
    expect_sysctl kernel.panic 0
    # The daemon takes it up again.
    type_in 0 "systemctl start k3warden"
    wait_until 60 bash -c '[ "$(sysctl -n kernel.panic)" = 10 ]' ;;
  "k3warden ledger") type_in 0 "$1" "/proc/sys/kernel/panic" ;;
  "apt remove k3warden")
    type_in 0 "$1" "the node stays hardened"
    expect_sysctl kernel.panic 10 ;;
  "apt purge k3warden")
    type_in 0 "$1"
    expect_sysctl kernel.panic 0
    [ ! -e /var/lib/k3warden ] || fail "the record is left" ;;
  *) fail "README.md has a command that nobody has tried: $1" ;;
  esac
}

by_dnf() {
  case $1 in
  "dnf install ./k3warden-"*".rpm")
    cp /share/k3warden-*.rpm /root/
    [ -e "/root/$(basename "$1")" ] || fail "there is no $(basename "$1")"
    type_in 0 "$1" "k3warden: "
    expect_sysctl kernel.panic 10
    wait_until 60 systemctl is-active k3warden.service ;;
  "dnf remove k3warden")
    type_in 0 "$1" "the node stays hardened"
    expect_sysctl kernel.panic 10 ;;
  "/var/lib/k3warden/purge")
    [ ! -e "$1" ] || { type_in 0 "$1"; expect_sysctl kernel.panic 0; } ;;
  *) fail "README.md has a command that nobody has tried: $1" ;;
  esac
}

install_k3s server
while read -r -u 3 command; do
  case $command in cargo\ * | target/*) echo "$command"; from_a_checkout "$command" ;; esac
done 3</root/commands
grep -q '^target/release/k3warden revert$' /root/commands || fail "README.md does not say how a checkout's work is taken back"
while read -r -u 3 command; do
  case $command in
  cargo\ * | target/* | dnf\ * | /var/lib/k3warden/purge) ;;
  *) echo "$command"; by_apt "$command" ;;
  esac
done 3</root/commands

# The same machine as an RPM system: what a distribution says of itself, and what its packages provide.
mkdir -p /etc/dnf/vars
printf '[main]\nmodule_platform_id=platform:el9\n' >/etc/dnf/dnf.conf
echo 9 >/etc/dnf/vars/releasever
provide_to_rpm
apt_is_gone() { [ ! -e /usr/bin/k3warden ]; }
wait_until 10 apt_is_gone
while read -r -u 3 command; do
  case $command in dnf\ * | /var/lib/k3warden/purge) echo "$command"; by_dnf "$command" ;; esac
done 3</root/commands
[ ! -e /var/lib/k3warden ] || fail "the record is left"
