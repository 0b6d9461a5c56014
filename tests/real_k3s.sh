#!/bin/sh
# Runs a real K3s for tests/real_k3s.rs, inside namespaces that `unshare -n -m -p -f -u --mount-proc` made: nothing of this
# machine's own state is seen or written.
#
# real_k3s.sh TREE K3S WORD...   TREE/etc and TREE/var/lib are what K3s finds.
set -eu
tree=$1
k3s=$2
shift 2

mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/upper /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work overlay /etc
for directory in /var/lib /var/log; do
    mount -t tmpfs tmpfs "$directory"
done
rm -rf /etc/rancher /etc/k3warden
for part in etc var/lib; do
    if [ -d "$tree/$part" ]; then
        mkdir -p "/$part"
        cp -a "$tree/$part/." "/$part/"
    fi
done

# K3s looks for this plug-in before anything, and a server alone never runs it.
mkdir -p /run/bin
ln -s /bin/true /run/bin/host-local
PATH=$PATH:/run/bin

hostname node1
ip link set lo up
ip link add eth0 type veth peer name eth1
ip address add 10.77.0.2/24 dev eth0
ip link set eth1 up
ip link set eth0 up
ip route add default via 10.77.0.1

# Not `exec`: as process 1 K3s would fork and say READY at once.
"$k3s" "$@"
