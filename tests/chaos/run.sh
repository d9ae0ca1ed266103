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

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' tests/chaos/run.sh; }

# shellcheck source=tests/chaos/common.sh
. tests/chaos/common.sh
what=full
case ${1:-} in
full | short) what=$1; shift ;;
list) python -c 'import sys; sys.path.insert(0, "tests/chaos"); import cells; print(*cells.CELLS, sep="\n")'; exit ;;
-h | --help) usage; exit 0 ;;
esac
prepare
mkdir -p build/chaos-run
python tests/chaos/matrix.py "$servers" "$PWD/build/chaos-run" "$what" "$@"
