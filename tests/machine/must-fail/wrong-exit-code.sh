# A command with another exit code than expected fails the case.
# says: wanted exit code 1, saw 3
expect_exit 1 bash -c "exit 3"
