# Sourced by tests/run and .ci/run, whose output has to say where the time goes.

# step COMMAND...: runs it and says on the other stream how long it took.
step() {
  local started=$SECONDS code=0
  echo "== $*" >&2
  "$@" || code=$?
  echo "== $((SECONDS - started)) s: $*" >&2
  return "$code"
}
