#!/bin/sh
# Whether what is shipped holds nothing of the fault points (worker/engine/fault.h): faults.sh CPOA
set -eu
. tests/lint/common.sh

cpoa=${1:?usage: tests/lint/faults.sh CPOA}
word='CPOA_FAULT'
grep -q '"'$word worker/engine/fault.c || complain "worker/engine/fault.c reads no $word any more: mend this test"
! grep -q $word "$cpoa" || complain "$cpoa knows $word: fault points are for the preset chaos alone"
! nm "$cpoa" 2>/dev/null | grep -q fault_ || complain "$cpoa holds functions of worker/engine/fault.c"
grep -q 'option(CPOA_FAULTS .* OFF)' CMakeLists.txt || complain "CMakeLists.txt: CPOA_FAULTS is not off unless asked for"
verdict 'Fault points belong behind FAULT() and FAULT_WHEN(), which are nothing without CPOA_FAULTS.'
