# The .rpm installs, upgrades and erases with its scriptlets, and brings the files and modes of the .deb.
#@ bare
#@ limit 900
rpm=$(echo /share/k3warden-*.rpm)
[ -e "$rpm" ] || fail "give the package with --share"

# A package without files that provides what this Debian has, so that rpm checks dependencies as it would elsewhere.
mkdir -p /root/rpmbuild/SPECS
cat >/root/rpmbuild/SPECS/debian.spec <<'END'
Name: debian-provides
Version: 1
Release: 1
Summary: what this machine has
License: none
AutoReqProv: no
Provides: /bin/sh
Provides: systemd = 252
%description
For tests.
%files
END
rpmbuild -bb --quiet --nodeps --define "_topdir /root/rpmbuild" /root/rpmbuild/SPECS/debian.spec
rpm -i /root/rpmbuild/RPMS/*/debian-provides-1-1.*.rpm

# Owned by the package `filesystem` on RPM systems.
mkdir -p /usr/share/{fish/vendor_completions.d,licenses,man/man{1,5,8},zsh/site-functions}
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

# Upgrade: the scriptlets of both, with the daemon running on.
daemon=$(systemctl show -p InvocationID --value k3warden.service)
rpm -U --replacepkgs "$rpm" >/root/said 2>&1 || fail "$(cat /root/said)"
wait_until 60 systemctl is-active k3warden.service
expect_equal enabled "$(systemctl is-enabled k3warden.service)" "state after an upgrade"

rpm -e k3warden >/root/said 2>&1 || fail "$(cat /root/said)"
expect_contains "$(cat /root/said)" "the node stays hardened"
expect_sysctl kernel.panic 10
[ ! -e /usr/bin/k3warden ] || fail "the program is still there"
expect_contains "$(cat /root/said)" "To put everything back: /var/lib/k3warden/purge"
/var/lib/k3warden/purge
expect_sysctl kernel.panic 0
describe_host >/root/after
diff /root/before /root/after || fail "something is left, or too much was taken"
