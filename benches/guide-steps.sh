#!/bin/sh
# What the K3s hardening guide tells an operator to type on a server, on the host in directory $1: kernel parameters, directories, audit
# policy, Pod Security configuration, K3s configuration, permissions of keys and credentials.
set -eu
root=$1
data=$root/var/lib/rancher/k3s

mkdir -p "$root/etc/sysctl.d"
cat >"$root/etc/sysctl.d/90-kubelet.conf" <<EOF
vm.panic_on_oom=0
vm.overcommit_memory=1
kernel.panic=10
kernel.panic_on_oops=1
kernel.keys.root_maxbytes=25000000
kernel.keys.root_maxkeys=1000000
EOF

mkdir -p -m 700 "$data/server/logs"
mkdir -p -m 700 "$data/server/manifests"
chmod 700 "$data/server" "$data/server/logs" "$data/server/manifests" "$data/server/tls" "$data/server/cred" "$data/agent"

cat >"$data/server/psa.yaml" <<EOF
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults:
      enforce: "restricted"
      enforce-version: "latest"
    exemptions:
      namespaces: [kube-system]
EOF
cat >"$data/server/audit.yaml" <<EOF
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
EOF
chmod 600 "$data/server/psa.yaml" "$data/server/audit.yaml"

cat >>"$root/etc/rancher/k3s/config.yaml" <<EOF
protect-kernel-defaults: true
kube-apiserver-arg:
- "audit-policy-file=/var/lib/rancher/k3s/server/audit.yaml"
- "audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log"
- "audit-log-maxage=30"
- "audit-log-maxbackup=10"
- "audit-log-maxsize=100"
EOF
chmod 600 "$root/etc/rancher/k3s/config.yaml" "$root/etc/rancher/k3s/k3s.yaml" "$root/etc/rancher/node/password"
chmod 600 "$data"/server/cred/*.kubeconfig "$data"/agent/*.kubeconfig "$data/server/token"
chmod 600 "$data"/server/tls/*.key "$data"/server/tls/*/*.key "$data"/agent/*.key
chown root:root "$data/server" "$data/server/tls" "$data/server/cred" "$data"/server/cred/*.kubeconfig "$data"/agent/*.kubeconfig
