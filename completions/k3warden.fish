# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_k3warden_global_optspecs
    string join \n root= k3s-version= no-sync apply h/help V/version
end

function __fish_k3warden_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_k3warden_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_k3warden_using_subcommand
    set -l cmd (__fish_k3warden_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c k3warden -n "__fish_k3warden_needs_command" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_needs_command" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_needs_command" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_needs_command" -l apply -d 'The same as `k3warden apply`: once, for first boot'
complete -c k3warden -n "__fish_k3warden_needs_command" -s h -l help -d 'Print help'
complete -c k3warden -n "__fish_k3warden_needs_command" -s V -l version -d 'Print version'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "check" -d 'Show which controls hold, with the evidence'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "diff" -d 'Show what apply would change'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "apply" -d 'Make the enforced controls hold, once'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "effective" -d 'Show what K3s really runs with, and which file and line gave each value'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "explain" -d 'Show why a control exists, what it sets and where its values come from'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "revert" -d 'Put back what was there before k3warden changed it'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "retry" -d 'Write once more what was put back because K3s did not live with it'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "watch" -d 'Keep the enforced controls true: repair drift when it happens. Meant for systemd'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "status" -d 'Show what the daemon knows'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "pause" -d 'Make no repairs and no restarts for a while'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "ledger" -d 'Show what was changed and when, or verify that the record is whole'
complete -c k3warden -n "__fish_k3warden_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c k3warden -n "__fish_k3warden_using_subcommand check" -l format -d 'How to write the report' -r -f -a "table\t'For people'
json\t'For machines; the formats are described in docs/schema and /usr/share/k3warden/schema'"
complete -c k3warden -n "__fish_k3warden_using_subcommand check" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand check" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand check" -s a -l all -d 'List controls that hold or do not apply too'
complete -c k3warden -n "__fish_k3warden_using_subcommand check" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c k3warden -n "__fish_k3warden_using_subcommand diff" -l format -d 'How to write the plan' -r -f -a "table\t'For people'
json\t'For machines; the formats are described in docs/schema and /usr/share/k3warden/schema'"
complete -c k3warden -n "__fish_k3warden_using_subcommand diff" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand diff" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand diff" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c k3warden -n "__fish_k3warden_using_subcommand apply" -l format -d 'How to write what was done' -r -f -a "table\t'For people'
json\t'For machines; the formats are described in docs/schema and /usr/share/k3warden/schema'"
complete -c k3warden -n "__fish_k3warden_using_subcommand apply" -l before-start -d 'K3s\'s door: make right what the start of UNIT reads, within seconds, and never fail. For systemd' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand apply" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand apply" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand apply" -l restart -d 'Restart K3s if it has not read what is on disk, and wait until it has settled'
complete -c k3warden -n "__fish_k3warden_using_subcommand apply" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c k3warden -n "__fish_k3warden_using_subcommand effective" -l format -d 'How to write it' -r -f -a "table\t'For people'
json\t'For machines; the formats are described in docs/schema and /usr/share/k3warden/schema'"
complete -c k3warden -n "__fish_k3warden_using_subcommand effective" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand effective" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand effective" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand effective" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c k3warden -n "__fish_k3warden_using_subcommand explain" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand explain" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand explain" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand explain" -s h -l help -d 'Print help'
complete -c k3warden -n "__fish_k3warden_using_subcommand revert" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand revert" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand revert" -l force -d 'Take back also what somebody else has changed since'
complete -c k3warden -n "__fish_k3warden_using_subcommand revert" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand revert" -s h -l help -d 'Print help'
complete -c k3warden -n "__fish_k3warden_using_subcommand retry" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand retry" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand retry" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand retry" -s h -l help -d 'Print help'
complete -c k3warden -n "__fish_k3warden_using_subcommand watch" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand watch" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand watch" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand watch" -s h -l help -d 'Print help'
complete -c k3warden -n "__fish_k3warden_using_subcommand status" -l format -d 'How to write it' -r -f -a "table\t'For people'
json\t'For machines; the formats are described in docs/schema and /usr/share/k3warden/schema'"
complete -c k3warden -n "__fish_k3warden_using_subcommand status" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand status" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand status" -s a -l all -d 'List controls that hold or do not apply too'
complete -c k3warden -n "__fish_k3warden_using_subcommand status" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c k3warden -n "__fish_k3warden_using_subcommand pause" -l for -d 'How long, as in 2h or 30m' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand pause" -l reason -d 'Why; shown in status and journal' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand pause" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand pause" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand pause" -l end -d 'End a pause now'
complete -c k3warden -n "__fish_k3warden_using_subcommand pause" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand pause" -s h -l help -d 'Print help'
complete -c k3warden -n "__fish_k3warden_using_subcommand ledger" -l root -d 'Work on the machine in this directory (an image) instead of the running one' -r -F
complete -c k3warden -n "__fish_k3warden_using_subcommand ledger" -l k3s-version -d 'The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed' -r
complete -c k3warden -n "__fish_k3warden_using_subcommand ledger" -l verify -d 'Check every link of the hash chain'
complete -c k3warden -n "__fish_k3warden_using_subcommand ledger" -l no-sync -d 'Do not wait for the disk. For image builds, which sync once at their end, and for measurements'
complete -c k3warden -n "__fish_k3warden_using_subcommand ledger" -s h -l help -d 'Print help'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "check" -d 'Show which controls hold, with the evidence'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "diff" -d 'Show what apply would change'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "apply" -d 'Make the enforced controls hold, once'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "effective" -d 'Show what K3s really runs with, and which file and line gave each value'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "explain" -d 'Show why a control exists, what it sets and where its values come from'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "revert" -d 'Put back what was there before k3warden changed it'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "retry" -d 'Write once more what was put back because K3s did not live with it'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "watch" -d 'Keep the enforced controls true: repair drift when it happens. Meant for systemd'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "status" -d 'Show what the daemon knows'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "pause" -d 'Make no repairs and no restarts for a while'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "ledger" -d 'Show what was changed and when, or verify that the record is whole'
complete -c k3warden -n "__fish_k3warden_using_subcommand help; and not __fish_seen_subcommand_from check diff apply effective explain revert retry watch status pause ledger help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
