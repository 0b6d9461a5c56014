# A name that nothing set is an error, not an empty string.
# says: NOT_SET: unbound variable
echo "$NOT_SET"
