# A case that never ends is ended at its limit.
# says: no answer within 8 s
#@ limit 8
sleep 1000
