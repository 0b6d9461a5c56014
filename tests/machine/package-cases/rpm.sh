# The .rpm installs, upgrades and erases with its scriptlets, and brings the files and modes of the .deb.
#@ bare
#@ limit 900
rpm=$(echo /share/k3warden-*.rpm)
[ -e "$rpm" ] || fail "give the package with --share"

provide_to_rpm
describe_host >/root/before
rpm -ivh "$rpm" >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "k3warden: every enforced control holds"
expect_sysctl kernel.panic 10
expect_equal enabled "$(systemctl is-enabled k3warden.service)" "state of k3warden.service"
wait_until 60 systemctl is-active k3warden.service
expect_equal "" "$(rpm -V k3warden)" "rpm -V"

# The same files with the same modes; Debian's documentation and zsh's directory differ by custom.
dpkg-deb -c /share/k3warden.deb | awk '$1 !~ /^d/ { sub(/^\./, "", $6); print $1, $6 }' |
  grep -vE '/usr/share/(doc|zsh|lintian)/' | sort >/root/deb-files
rpm -qlvp "$rpm" | awk '{ print $1, $9 }' | grep -vE '/usr/share/(doc|zsh|licenses)/' | sort >/root/rpm-files
[ "$(wc -l </root/deb-files)" -gt 15 ] || fail "the files of the .deb were not read"
diff /root/deb-files /root/rpm-files || fail "the packages differ"

rpm -e k3warden >/dev/null 2>&1
/var/lib/k3warden/purge
expect_given_back /root/before

# Upgrade from what an earlier commit built, with its own scriptlets; where that is not here, from this build under an older version,
# whose scriptlets note how they are called.
older=/share/previous.rpm
if [ ! -e "$older" ]; then
  echo "no package of an earlier commit is there (packaging/previous): the same build under an older version takes its place"
  mkdir -p /root/older
  # rpm2cpio ends with 1 after a whole archive too.
  (cd /root/older && { rpm2cpio "$rpm" || true; } | cpio -idm --quiet)
  [ -x /root/older/usr/bin/k3warden ] || fail "the package was not unpacked"
  {
    printf 'Name: k3warden\nVersion: 0.0.9\nRelease: 1\nSummary: the build before\nLicense: none\nAutoReqProv: no\n%%description\nFor tests.\n'
    printf '%%define __os_install_post %%{nil}\n%%install\ncp -a /root/older/. %%{buildroot}/\n'
    for scriptlet in post preun postun; do
      printf '%%%s\necho "old %s $1" >>/root/calls\n' "$scriptlet" "$scriptlet"
      case $scriptlet in post) tag=POSTIN ;; preun) tag=PREUN ;; *) tag=POSTUN ;; esac
      rpm -qp --qf "%{$tag}\n" "$rpm"
    done
    printf '%%files\n'
    (cd /root/older && find . -type f | sed -e 's|^\.||' -e 's|^/etc/.*|%config(noreplace) &|')
  } >/root/rpmbuild/SPECS/older.spec
  rpmbuild -bb --quiet --nodeps --define "_topdir /root/rpmbuild" /root/rpmbuild/SPECS/older.spec >/root/said 2>&1 || fail "$(cat /root/said)"
  older=$(echo /root/rpmbuild/RPMS/*/k3warden-0.0.9-1.*.rpm)
fi
rpm -ivh "$older" >/root/said 2>&1 || fail "$(cat /root/said)"
wait_until 60 systemctl is-active k3warden.service
expect_sysctl kernel.panic 10
echo '#mine' >>/etc/k3warden/config.toml
k3warden ledger >/root/ledger
daemon=$(systemctl show -p InvocationID --value k3warden.service)
rpm -Uvh "$rpm" >/root/said 2>&1 || fail "$(cat /root/said)"
[ "$older" = /share/previous.rpm ] ||
  expect_equal "old post 1,old preun 1,old postun 1" "$(paste -sd, /root/calls)" "how the old scriptlets were called"
wait_until 60 systemctl is-active k3warden.service
expect_equal enabled "$(systemctl is-enabled k3warden.service)" "state after an upgrade"
[ "$daemon" != "$(systemctl show -p InvocationID --value k3warden.service)" ] || fail "the old daemon still runs"
grep -qx '#mine' /etc/k3warden/config.toml || fail "the operator's configuration was replaced"
# A new one that differs lies beside it, until the operator has taken from it what is wanted.
if [ "$older" = /share/previous.rpm ]; then
  mv /etc/k3warden/config.toml.rpmnew /etc/k3warden/config.toml
else
  sed -i '/^#mine$/d' /etc/k3warden/config.toml
fi
expect_equal "$(rpm -qp "$rpm")" "$(rpm -q k3warden)" "what is installed"
k3warden ledger | head -n "$(wc -l </root/ledger)" | diff /root/ledger - || fail "the ledger's beginning changed"
expect_sysctl kernel.panic 10
#@ reboot
wait_until 60 systemctl is-active k3warden.service
expect_sysctl kernel.panic 10
expect_exit 0 k3warden ledger --verify

rpm -e k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "the node stays hardened"
expect_sysctl kernel.panic 10
[ ! -e /usr/bin/k3warden ] || fail "the program is still there"
expect_contains "$(cat /root/said)" "To put everything back: /var/lib/k3warden/purge"
/var/lib/k3warden/purge
expect_given_back /root/before
