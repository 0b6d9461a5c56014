# Without the daemon a reboot with a change of ours that ends K3s after READY ends on what last worked, by itself.
. /share/fails-after-ready.sh
offer_flags
install_k3s server
systemd_waits 1s
systemctl enable -q k3s
proven_at_door
before_reboot_through_door kubelet auto
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_through_door
before_reboot_through_door scheduler auto
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_through_door
before_reboot_through_door kernel auto
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_through_door
before_reboot_through_door kubelet never
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_through_door
before_reboot_through_door scheduler never
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_through_door
before_reboot_through_door kernel never
#@ reboot
. /share/fails-after-ready.sh
back_after_reboot_through_door
no_loop
