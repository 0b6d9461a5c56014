# Sourced by the other scripts: apt with a state directory of its own ($apt), fed from this machine's Debian mirror.
. /etc/os-release
codename=${VERSION_CODENAME:-}
[ "${ID:-}" = debian ] || { echo "the test bed is built on Debian machines only; this one is ${ID:-unknown}" >&2; exit 2; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The address of the Debian archive that this machine itself uses: deb822 sources first, then one-line ones.
debian_mirror() {
  {
    for file in /etc/apt/sources.list.d/*.sources; do
      [ ! -e "$file" ] || awk -v RS= -v suite="$codename" '{
        uri = ""; ours = 0; key = ""
        for (i = 1; i <= NF; i++) {
          if ($i ~ /^[A-Za-z-]+:$/) key = $i
          else if (key == "URIs:" && uri == "") uri = $i
          else if (key == "Suites:" && $i == suite) ours = 1
        }
        if (ours) print uri }' "$file"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
      [ ! -e "$file" ] || sed -nE "s/^deb (\[[^]]*\] )?([^ ]+) $codename .*/\2/p" "$file"
    done
  } | sed -n 1p
}

mirror=$(debian_mirror)
[ -n "$mirror" ] || { echo "no Debian source for $codename in /etc/apt" >&2; exit 2; }

bed_apt_options=(
  -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$apt/sources"
  -o "Dir::State::lists=$apt/lists" -o "Dir::Cache::archives=$apt/archives" -o "Acquire::Languages=none"
  -o "APT::Sandbox::User=root"  # the user _apt cannot reach a directory in someone's home
)
bed_apt() { DEBIAN_FRONTEND=noninteractive apt-get -q "${bed_apt_options[@]}" "$@"; }

bed_apt_update() {
  mkdir -p "$apt"/sources "$apt"/lists/partial "$apt"/archives/partial
  local suites="$codename $codename-updates"
  [ "$codename" != bookworm ] || suites+=" bookworm-backports"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$suites" "$keyring" \
    > "$apt/sources/debian.sources"
  bed_apt update
}
