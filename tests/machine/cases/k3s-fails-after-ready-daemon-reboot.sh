# With the daemon a reboot with a change of ours that ends K3s after READY ends on what last worked, by itself.
. /share/fails-after-ready.sh
offer_flags
policy never 120s "$good_lines"
install_k3s server
systemd_waits 12s
start_daemon
systemctl enable -q k3s k3warden
systemctl start k3s
wait_until 120 settled event-burst
before_reboot_with_daemon kubelet auto
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_with_daemon
before_reboot_with_daemon scheduler auto
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_with_daemon
before_reboot_with_daemon kernel auto
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_with_daemon
before_reboot_with_daemon kubelet never
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_with_daemon
before_reboot_with_daemon scheduler never
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_with_daemon
before_reboot_with_daemon kernel never
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_with_daemon
no_loop
