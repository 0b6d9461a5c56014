# A command that fails ends the case, also inside a function and in a later part.
# says: failing-command.sh:8: command failed: false
#@ reboot
inner() {
  echo "this is shown"


  false
  echo "this is not reached"
}
inner
