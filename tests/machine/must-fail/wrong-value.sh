# A value that is not the one wanted fails the case.
# says: wrong-value.sh:3: answer: wanted '42', saw '41'
expect_equal 42 $((40 + 1)) answer
