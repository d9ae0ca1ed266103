#!/bin/bash
# Faults made on purpose, and what is left of the jobs that ran meanwhile: README.md.
#
#   tests/chaos/run.sh [full] [CELL...]   every cell, or those whose names contain one of the words
#   tests/chaos/run.sh short              a few cells with fewer jobs, in a minute
#   tests/chaos/run.sh list               the names of the cells
#
# Prints a row for each fault, and says what is wrong with it; exit code 1 when anything is. The table
# is also in build/chaos-run/table.md, the logs of cell N in build/chaos-run/cellN. Builds the preset
# "chaos", installs what it needs (tests/packages.sh), and runs on servers of its own
# (build/chaos-servers).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
servers=$PWD/build/chaos-servers
out=$PWD/build/chaos-run

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' tests/chaos/run.sh; }

what=full
case ${1:-} in
full | short) what=$1; shift ;;
list) exec /usr/bin/python3 -B -c 'import sys; sys.path.insert(0, "tests/chaos"); import cells; print(*cells.CELLS, sep="\n")' ;;
-h | --help) usage; exit 0 ;;
esac

child=
on_exit() {
	local code=$?
	trap - EXIT
	trap '' INT TERM HUP
	[ -z "$child" ] || { kill -TERM "$child" && wait "$child"; } 2>/dev/null || :
	tests/servers.sh stop "$servers" 8>&-
	exit "$code"
}

mkdir -p build "$out"
exec 8>build/chaos.lock
flock -n 8 || { echo "chaos: another one runs here" >&2; exit 1; }
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

tests/packages.sh build servers test 8>&- >&2
tests/chaos/build.sh build/chaos.log 8>&-
tests/servers.sh stop "$servers" 8>&-
tests/servers.sh start "$servers" --fsync off 8>&-
ulimit -n "$(ulimit -Hn)" || :
/usr/bin/python3 -B tests/chaos/matrix.py "$servers" "$out" "$what" "$@" 8>&- &
child=$!
code=0
wait "$child" || code=$?
child=
[ "$code" = 0 ]
