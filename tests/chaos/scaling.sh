#!/bin/bash
# Workers come and go with the queue, as an autoscaler would have it, and some are killed: README.md.
#
#   tests/chaos/scaling.sh [JOBS]     20000 of all types, in waves
#
# Says what became of the jobs and how long the workers took to leave; exit code 1 when anything is
# wrong. The plot of queue, workflows in flight and workers is build/scaling.svg.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' tests/chaos/scaling.sh; }

jobs=20000
case ${1:-} in
'') ;;
*[!0-9]* | 0*) usage; [[ $1 == -h || $1 == --help ]]; exit ;;
*) jobs=$1 ;;
esac
# shellcheck source=tests/chaos/common.sh
. tests/chaos/common.sh
prepare
python tests/chaos/scaling.py "$servers" "$PWD/build/chaos-scaling" "$PWD/build/scaling.svg" "$jobs"
