# Sourced by the cases in real-cases/, after expect.sh.

# install_real_k3s ROLE [ARGUMENT...]: a real K3s with its unit, and what it needs of the machine. There is no image of a pod to be had,
# so no pod starts.
install_real_k3s() {
  tar -xf /share/k3s-parts.tar -C /
  mount -t tmpfs -o size=512m,mode=0755 tmpfs /usr/local/bin
  install -m 0755 /share/k3s /usr/local/bin/k3s
  local name
  for name in kubectl ctr containerd; do ln -s k3s "/usr/local/bin/$name"; done
  mkdir -p /opt/cni && ln -sfn /usr/lib/cni /opt/cni/bin
  for name in dummy overlay br_netfilter nf_conntrack vxlan; do modprobe "$name"; done
  ip link add eth0 type dummy
  ip address add 10.77.0.2/24 dev eth0
  ip link set eth0 up
  ip route add default via 10.77.0.1
  # What needs images or a network there is not would only keep an emulated processor busy.
  write_k3s_unit "$@" --disable-kube-proxy --flannel-backend=none --disable-network-policy --disable-cloud-controller \
    --disable=traefik,metrics-server,servicelb,coredns,local-storage
  mkdir -p /etc/systemd/system/k3s.service.d
  printf '[Service]\nEnvironment=PATH=/usr/local/bin:/usr/sbin:/usr/bin:/usr/lib/cni\n' \
    >/etc/systemd/system/k3s.service.d/20-tools.conf
  systemctl daemon-reload
}

# divergent: the controls of the check in $output that do not hold, but the one that the arguments above are against.
divergent() {
  awk '$1 == "divergent" && $2 != "network-policy-controller" { print $2 }' <<<"$output" | paste -sd' '
}
