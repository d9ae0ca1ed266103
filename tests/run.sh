#!/bin/bash
# Every test: installs packages, builds, starts private servers, runs ctest, says what came out.
#
#   tests/run.sh [all]          everything
#   tests/run.sh quick          what needs no servers
#   tests/run.sh -L LABEL...    only these: unit property lint deploy integration race chaos contract image fuzz
#
# The parts, each a CMake preset and the labels that ctest runs in it:
#
#   dev         gcc, AddressSanitizer, UBSan     unit property lint deploy, then integration, then contract, then image
#   dev-clang   the same with clang              unit property
#   tsan        ThreadSanitizer                  race
#   fuzz        libFuzzer, clang                 fuzz: some seconds for each target
#
# A part that fails does not keep the later ones from running; any failure fails the whole.
# Logs are in build/NAME.log. The last line is "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
servers=$PWD/build/test-servers
jobs=${CPOA_TEST_JOBS:-$(nproc)}
passed=0 failed=0
closing=() # of each ctest run, for the end

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' tests/run.sh; }
say() { printf '== %s\n' "$*"; }

# ---- what ends it -------------------------------------------------------------------------

starting= # the process that starts the servers, while it does
wanted_servers=
on_exit() {
	local code=$?
	trap - EXIT
	trap '' INT TERM HUP
	[ -z "$starting" ] || { kill -TERM "$starting" && wait "$starting"; } 2>/dev/null
	end_strays
	[ -z "$wanted_servers" ] || tests/servers.sh stop "$servers"
	exit "$code"
}

# Processes that tests have started and forgotten: all that a test starts bears this mark.
mark=RUN_SH_MARK=$$.$RANDOM
strays() {
	grep -lzFx "$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
}

end_strays() {
	local pid
	for pid in $(strays); do
		kill -KILL "$pid" 2>/dev/null
	done
}

# ---- parts --------------------------------------------------------------------------------

# Counts a part that did not get as far as ctest as one failure; shows the end of log $2.
broken() {
	failed=$((failed + 1))
	closing+=("$1")
	say "$1"
	[ -z "${2:-}" ] || { echo "--- the end of $2"; tail -n 40 "$2"; }
}

declare -A built
# Builds preset $1, once; its exit code is the same each time.
build() {
	local began=$SECONDS log=build/$1.log fresh=() only=()
	[ "$1" != fuzz ] || only=(--target fuzzers)
	[ -z "${built[$1]:-}" ] || return "${built[$1]}"
	built[$1]=1
	say "building $1"
	grep -Fqsx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "build/$1/CMakeCache.txt" || fresh=(--fresh)
	if ! { cmake --preset "$1" "${fresh[@]}" && cmake --build "build/$1" "${only[@]}"; } >"$log" 2>&1; then
		broken "$1: it does not build" "$log"
		return 1
	fi
	built[$1]=0
	say "$1 is built, $((SECONDS - began)) s"
}

# The tests of preset $1 whose labels match $2, and whose names match $3 if that is given; $4 says how.
run() {
	local log="build/ctest-$1-${2//|/-}${4:+-$4}.log" line total bad pid
	build "$1" || return
	say "$1: $2${4:+, $4}"
	env "$mark" "${plain[@]}" ctest --test-dir "build/$1" -L "^($2)\$" ${3:+-R "$3"} -j "$jobs" --timeout 120 \
		--no-tests=error --output-on-failure 2>&1 | tee "$log"
	line=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests? failed out of [0-9]+' "$log" | tail -n 1)
	if [ -z "$line" ]; then
		broken "$1: ctest ran no $2 test"
		return
	fi
	bad=$(sed -E 's/.*passed, ([0-9]+) tests? failed.*/\1/' <<<"$line")
	total=$(sed -E 's/.*out of ([0-9]+).*/\1/' <<<"$line")
	failed=$((failed + bad))
	passed=$((passed + total - bad))
	closing+=("$1: $2${4:+, $4}
$(sed -n '/^[0-9]*% tests passed, /,$p' "$log")")
	for pid in $(strays); do
		broken "$1: a test has left process $pid running: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done
	end_strays
}

# Starts the servers while something is being built.
start_servers() {
	wanted_servers=1
	tests/servers.sh start "$servers" --fsync off --tls >build/servers.log 2>&1 &
	starting=$!
}

servers_ready() {
	if ! wait "$starting"; then
		starting=
		broken "the servers do not start" build/servers.log
		return 1
	fi
	starting=
	unset DATABASE_URL
	# shellcheck source=/dev/null
	. "$servers/env"
}

# The servers' passwords must not stand in anything that was written down. Tests search what is theirs before they remove
# it (integration/world.c): here is what this run has left, the servers' own logs included.
search_secrets() {
	local found
	found=$(find build "${TMPDIR:-/tmp}"/cpoa_test_* -newer "$started" \( -name '*.log' -o -name '*.out' \) \
		-exec grep -lFe "$CPOA_TEST_SECRET" {} + 2>/dev/null)
	[ -z "$found" ] || broken "a password of the servers stands in: ${found//$'\n'/ }"
}

# ---- command line -------------------------------------------------------------------------

labels=
case ${1:-all} in
all | quick) what=${1:-all} ;;
-L)
	shift
	[ $# -gt 0 ] || { usage >&2; exit 2; }
	what=labels
	labels=" ${*//-L/} "
	;;
-h | --help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac

# The labels among "$@" that are asked for, joined by "|".
asked() {
	local l s=
	for l; do
		case $what:$labels in
		labels:*" $l "*) s+="|$l" ;;
		all:*) s+="|$l" ;;
		quick:*) case $l in integration | chaos | contract | image | fuzz) ;; *) s+="|$l" ;; esac ;;
		esac
	done
	echo "${s#|}"
}

for l in ${labels:-}; do
	case $l in
	unit | property | lint | deploy | integration | race | chaos | contract | image | fuzz) ;;
	*) echo "no label is called $l" >&2; usage >&2; exit 2 ;;
	esac
done

here=$(asked unit property lint deploy)
outside=$(asked integration chaos)
race=$(asked race)
contract=$(asked contract)
fuzz=$(asked fuzz)
image=$(asked image)

mkdir -p build
started=build/started
: >$started
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say "packages"
tests/packages.sh build servers test deploy || exit

# A report ends the process that it is about, and names lines of source.
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
export PYTHON=/usr/bin/python3 # Debian's, the one that python3-pika is for
# gcc 12's sanitizers cannot place their memory where a newer kernel randomises too much.
plain=(setarch "$(uname -m)" -R)
"${plain[@]}" true 2>/dev/null || plain=()

[ -z "$outside$image" ] || start_servers
[ -z "$here" ] || run dev "$here"
if [ -n "$outside$image" ]; then
	# What these tests send and get is judged by the contract's documents, afterwards.
	export CPOA_CONTRACT_DIR=$PWD/build/contract-records
	rm -rf "$CPOA_CONTRACT_DIR"
	mkdir -p "$CPOA_CONTRACT_DIR"
	[[ $outside != *chaos* ]] || build chaos
	if build dev && servers_ready; then
		[ -z "$outside" ] || run dev "$outside"
		[ -z "$image" ] || run dev "$image"
	fi
fi
[ -z "$contract" ] || run dev "$contract"
unset CPOA_CONTRACT_DIR
if [ "$what" != labels ]; then
	run dev-clang 'unit|property'
fi
[ -z "$race" ] || run tsan "$race"
[ -z "$fuzz" ] || run fuzz "$fuzz"
# Criterion cannot run under ThreadSanitizer, but a worker can: the same tests from outside, against it.
if [ "$what" = all ] && build tsan; then
	export CPOA_WORKER_BIN=$PWD/build/tsan/cpoa
	run dev integration 'integration\.(podcast|takeover|jobs|rest)$' worker-under-tsan
	unset CPOA_WORKER_BIN
fi

[ -z "${CPOA_TEST_SECRET:-}" ] || search_secrets
for part in "${closing[@]}"; do
	printf '\n== %s\n' "$part"
done
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
