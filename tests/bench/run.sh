#!/bin/bash
# The benchmark: one worker with PostgreSQL (fsync on), RabbitMQ and agents on this machine.
#
#   tests/bench/run.sh [quick|all|SCENARIO...] [--runs R] [--podcasts N] [OPTION...]
#
#   throughput    N podcasts published beforehand, agents that answer at once
#   two           the same with two workers
#   history       the same with --history podcasts of long ago in the tables
#   async         a quarter of them with agents that answer 202 and are polled twice, every 50 ms
#   search        searches of 7 topics, as many as a twentieth of N
#   lone          200 podcasts, one after another
#   half          podcasts at half of the throughput's rate (or at --rate), 10 seconds long
#   floor         the SQL of a podcast replayed without a worker: what there is to reach
#   inflight      --held podcasts at once with agents that take 30 s, in both styles
#   idle          20 seconds of a worker without work
#   extraction    HTML to text: MB/s on one core, on pages of $CPOA_EXTRACTION_DIR or of the stand-ins
#   limits        throughput without and with limits for each agent that never bind
#   prune         throughput without and with a `cpoa prune` of a million old workflows beside it
#   (none)        all of them but history, inflight, limits and prune; all: but prune
#   quick         one short run of throughput, async and lone, for CI
#   extraction DIR  that alone, also with 10,000 damaged pages, and the score against true texts. DIR (or
#                 $CPOA_EXTRACTION_DIR) holds html/KEY.html.gz, truth.json, score.py
#   --runs R      how often each is run (3); the table has the median and the spread
#   --podcasts N  of throughput and floor (20000)
#   --history N   of history (10000000)
#   --held N      of inflight (10000)
#   --rate R      of half
#   --agents WHO  what answers at once: nginx with fixed answers (the default), or the stand-ins
#   --keep        leaves servers and agents running, and says how to use them (for perf)
#
# Prints a table, and writes it with every run's figures to build/bench/result.json. Installs what it
# needs (tests/packages.sh) and writes below build/bench only. README.md says what the rows mean.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
run=$PWD/build/bench
servers=$run/servers
bin=$run/cmake

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' tests/bench/run.sh; }
say() { printf 'bench: %s\n' "$*" >&2; }

fail() {
	say "$1"
	[ ! -s "${2:-}" ] || tail -n 25 "$2" >&2
	exit 1
}

# ---- processes ----------------------------------------------------------------------------

child= # what is waited for in the foreground
pruner=
warm_pid=

# shellcheck source=tests/bench/agents.sh
. tests/bench/agents.sh

# Runs "$@" so that a signal to this script is acted on at once: bash would wait for it to end.
foreground() {
	local code=0
	"$@" 8>&- &
	child=$!
	wait "$child" || code=$?
	child=
	return $code
}

# Ends process $1, which is our child.
end() {
	local tenths=100
	kill -TERM "$1" 2>/dev/null || return 0
	while kill -0 "$1" 2>/dev/null; do
		[ $((tenths--)) -gt 0 ] || kill -KILL "$1" 2>/dev/null || :
		sleep 0.1
	done
	wait "$1" 2>/dev/null || :
}

on_exit() {
	local code=$?
	trap - EXIT
	trap '' INT TERM HUP
	[ -z "$child" ] || end "$child"
	[ -z "$agents_pid" ] || end "$agents_pid"
	[ -z "$pruner" ] || end "$pruner"
	[ -z "$warm_pid" ] || end "$warm_pid"
	tests/servers.sh stop "$servers" 8>&-
	exit "$code"
}

# ---- what is measured ---------------------------------------------------------------------

build() {
	local fresh=()
	grep -Fqsx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$bin/CMakeCache.txt" || fresh=(--fresh)
	{
		cmake --preset release -B "$bin" -DCPOA_BENCH=ON "${fresh[@]}" &&
			cmake --build "$bin" --target cpoa cpoa-agents bench_load bench_floor bench_report bench_warm extraction
	} >"$run/build.log" 2>&1
}

# Half of what is free, at most 8 GiB, so that a host that takes back free memory does not (warm.c); in a control group
# with a limit at most a quarter of that. What an earlier call kept goes when this has its own.
keep_warm() {
	local mib limit before=$warm_pid
	mib=$(($(sed -n 's/^MemFree: *\([0-9]*\).*/\1/p' /proc/meminfo) / 2048))
	limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null) || :
	! [[ $limit =~ ^[0-9]{1,15}$ ]] || [ $((limit >> 22)) -gt "$mib" ] || mib=$((limit >> 22))
	[ "$mib" -ge 64 ] || return 0
	exec 7< <(exec setpriv --pdeathsig KILL "$bin/bench/bench_warm" $((mib < 8192 ? mib : 8192)) 8>&-)
	warm_pid=$!
	read -r -t 120 <&7 || say "free memory could not be touched first: rates may differ from minute to minute"
	exec 7<&-
	[ -z "$before" ] || end "$before"
}

start_servers() {
	foreground tests/servers.sh stop "$servers" # what a killed run may have left
	foreground tests/servers.sh start "$servers" --fsync on
	unset "${!CPOA_@}" "${!WCHA_@}" DATABASE_URL DATABASE_URL_FILE AMQP_URL_FILE POSTGRES_PASSWORD_FILE
	unset POSTGRES_SSLMODE POSTGRES_SSLROOTCERT
	# shellcheck source=/dev/null
	. "$servers/env"
	unset CPOA_TEST_SERVERS CPOA_TEST_MQ_API
	foreground "$bin/cpoa" migrate >"$run/migrate.log" 2>&1 || fail "migrating failed" "$run/migrate.log"
	watch_servers
}

watch_servers() {
	watch=(--watch "postgres=$(<"$servers/pg/pid")" --watch "rabbitmq=$(<"$servers/mq/pid")")
}

# Runs scenario $1 as $2, at most $3 workflows in flight; its line goes to file $4. More options follow.
load() {
	local scenario=$1 name=$2 most=$3 out=$4
	shift 4
	CPOA_HTTP_PORT=$(tests/servers.sh port)
	export CPOA_HTTP_PORT CPOA_HTTP_BIND=127.0.0.1 CPOA_LOG_LEVEL=warn CPOA_DRAIN_SECONDS=5
	export CPOA_MAX_INFLIGHT=$most
	foreground "$bin/bench/bench_load" "$scenario" --name "$name" "${watch[@]}" \
		--watch "agents=$agents_pid" "${counts[@]}" "$@" -- "$bin/cpoa" worker \
		>>"$out" 2>"$run/$name.log" || fail "$name failed" "$run/$name.log"
}

# What PostgreSQL answers to $1.
query() {
	psql -h "$POSTGRES_HOST" -p "$POSTGRES_PORT" -U postgres -d "$POSTGRES_DB" -qAt -v ON_ERROR_STOP=1 -c "$1" 8>&-
}

# The database cpoa_$1 with a history of $2 workflows; $3: with their bodies. What fills it is not logged.
make_history() {
	local began=$SECONDS
	say "filling in $2 old workflows"
	query "ALTER SYSTEM SET wal_level = minimal"
	query "ALTER SYSTEM SET max_wal_senders = 0"
	foreground tests/servers.sh restart "$servers" pg
	query "CREATE DATABASE cpoa_$1 OWNER $POSTGRES_USER"
	POSTGRES_DB=cpoa_$1 foreground "$bin/cpoa" migrate >"$run/migrate.log" 2>&1 ||
		fail "migrating failed" "$run/migrate.log"
	foreground psql -h "$POSTGRES_HOST" -p "$POSTGRES_PORT" -U postgres -d "cpoa_$1" -q -v "n=$2" -v "bodies=$3" \
		-f tests/bench/history.sql >"$run/history.log" 2>&1 || fail "no history" "$run/history.log"
	query "ALTER SYSTEM RESET ALL"
	foreground tests/servers.sh restart "$servers" pg
	watch_servers
	say "filled in $((SECONDS - began)) s"
}

# Half of the median rate of the throughput until now.
half_rate() {
	sed -n 's/^{"scenario":"throughput".*"rate":\([0-9.]*\).*/\1/p' "$run/runs" | sort -n |
		awk '{ r[NR] = $1 } END { print (r[int((NR + 1) / 2)] + r[int(NR / 2) + 1]) / 4 }'
}

# Pages to extract from, in $run/pages.
take_pages() {
	local i page
	rm -rf "$run/pages"
	mkdir -p "$run/pages"
	if [ -d "${CPOA_EXTRACTION_DIR:-}/html" ]; then
		for page in "$CPOA_EXTRACTION_DIR"/html/*.gz; do
			gzip -dc "$page" >"$run/pages/$(basename "$page" .gz)"
		done
	else
		start_agents stand-ins
		for i in 1 2 3 4 5; do
			curl -sf "$agents/articles/$i?topic=Sourdough%20bread" -o "$run/pages/$i.html" 8>&- || fail "no page"
		done
	fi
}

# Throughput without|with limits that never bind, the breaker among them.
load_limited() {
	local a
	local -x CPOA_BREAKER_FAILURES=0
	if [ "$1" = with ]; then
		unset CPOA_BREAKER_FAILURES
		for a in WCHA PSWA VFA TDA SCA IGA; do
			local -x "CPOA_${a}_MAX_CONCURRENT=100000" "CPOA_${a}_MAX_PER_SECOND=100000"
		done
	fi
	load throughput "limits_$1" 512 "$run/runs" --podcasts "$podcasts"
}

scenario() {
	say "$1 ($2 of $runs)"
	agent_times 5 30
	query CHECKPOINT # none pays for what those before it have left to be written
	case $1 in
	throughput | lone | half | two | history | limits | prune | search) start_agents "$at_once" ;;
	esac
	case $1 in
	throughput) load throughput throughput 512 "$run/runs" --podcasts "$podcasts" ;;
	two) load throughput two 512 "$run/runs" --podcasts "$podcasts" --workers 2 ;;
	history) POSTGRES_DB=cpoa_history load throughput history 512 "$run/runs" --podcasts "$podcasts" ;;
	async)
		start_agents stand-ins --style async --polls 2
		agent_times 0.05 30
		load throughput async 2048 "$run/runs" --podcasts $((podcasts / 4))
		;;
	search)
		load throughput search 128 "$run/runs" --podcasts $((podcasts / 20 + 1)) --type search_results_generation
		;;
	lone) load lone lone 512 "$run/runs" --podcasts 200 ;;
	half) load paced half 512 "$run/runs" --rate "${rate:-$(half_rate)}" --seconds 10 ;;
	idle) load idle idle 512 "$run/runs" --seconds 20 ;;
	floor)
		foreground "$bin/bench/bench_floor" --podcasts "$podcasts" "${watch[@]:0:2}" \
			>>"$run/runs" 2>"$run/floor.log" || fail "floor failed" "$run/floor.log"
		;;
	extraction)
		[ "$2" != 1 ] || take_pages
		"$bin/bench/extraction" --bench "$run/pages" >>"$run/runs" 2>"$run/extraction.log" || fail "extraction failed" "$run/extraction.log"
		;;
	limits)
		# There and back, so that a machine that gets slower or faster favours neither.
		local order=(without with with without) which
		[ $(($2 % 2)) = 1 ] || order=(with without without with)
		for which in "${order[@]}"; do load_limited "$which"; done
		;;
	prune)
		export POSTGRES_DB=cpoa_prune
		load throughput prune_without 512 "$run/runs" --podcasts "$podcasts"
		setpriv --pdeathsig KILL "$bin/cpoa" prune --older-than 30d --yes </dev/null >"$run/prune.log" 2>&1 8>&- &
		pruner=$!
		load throughput prune_with 512 "$run/runs" --podcasts "$podcasts"
		kill -0 "$pruner" 2>/dev/null || say "prune had ended before the load did: give it less --podcasts"
		end "$pruner"
		pruner=
		export POSTGRES_DB=cpoa
		tail -n 1 "$run/prune.log" >&2
		;;
	inflight)
		agent_times 5 120
		start_agents stand-ins --style sync --latency 30000
		load inflight inflight_sync "$held" "$run/runs" --podcasts "$held"
		start_agents stand-ins --style async --latency 30000
		load inflight inflight_async "$held" "$run/runs" --podcasts "$held"
		;;
	esac
}

report() {
	local cpu
	cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
	"$bin/bench/bench_report" --out "$run/result.json" <"$run/runs" \
		--fact "date=$(date -u +%Y-%m-%dT%H:%MZ)" \
		--fact "commit=$(git -c safe.directory='*' describe --always --dirty 2>/dev/null || echo unknown)" \
		--fact "machine=$(nproc) cores, ${cpu:-$(uname -m)}, $(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1048576)) GiB, Linux $(uname -r)" \
		--fact "servers=PostgreSQL $(postgres_version), fsync on; RabbitMQ $(rabbit_version); quorum queues" \
		--fact "agents=$at_once, where they answer at once" \
		--fact "load=$load_before before the first run" \
		--fact "runs=$runs of each, in turn"
}

postgres_version() { cat "$(<"$servers/pg/at")/PG_VERSION"; }
rabbit_version() { dpkg-query -W -f '${Version}' rabbitmq-server 2>/dev/null || echo '?'; }

leave_running() {
	{
		cat "$servers/env"
		export -p | grep -E ' (WCHA|PSWA|VFA|TDA|SCA|IGA|CPOA)_' || :
	} >"$run/env"
	say "servers and agents go on running until this ends (Ctrl-C); in another shell: . build/bench/env"
	foreground sleep infinity
}

# ---- extraction ---------------------------------------------------------------------------

# All of it, on DIR.
extraction() {
	export CPOA_EXTRACTION_DIR=$1
	[ -d "$1/html" ] || fail "there are no pages in $1/html; name a folder that has some"
	tests/packages.sh build >&2 || fail "packages"
	mkdir -p "$run"
	{ cmake --preset release -B "$bin" -DCPOA_BENCH=ON && cmake --build "$bin" --target extraction; } \
		>"$run/build.log" 2>&1 || fail "it does not build" "$run/build.log"
	take_pages
	"$bin/bench/extraction" "$run/pages" >"$run/predictions.json"
	[ ! -x "$1/score.py" ] || python3 "$1/score.py" "$run/predictions.json" | tail -n 1
	"$bin/bench/extraction" --bench "$run/pages" >/dev/null
	"$bin/bench/extraction" --mutate "$run/pages" 10000
}

if [ "${1:-}" = extraction ] && [ $# = 2 ] && [ -d "$2" ]; then
	extraction "$2"
	exit
fi

# ---- command line -------------------------------------------------------------------------

most=(throughput two async search lone half floor idle extraction)
runs=3 podcasts=20000 history=10000000 held=10000 rate='' warm_up=2000 at_once=nginx keep='' what=()
while [ $# -gt 0 ]; do
	case $1 in
	quick)
		what+=(throughput async lone)
		runs=1 podcasts=3000 warm_up=500
		;;
	all) what+=(throughput history "${most[@]:1}" limits inflight) ;; # what is compared side by side
	throughput | two | history | async | search | lone | half | floor | inflight | limits | idle | extraction | prune)
		what+=("$1")
		;;
	--runs | --podcasts | --history | --held | --rate | --agents)
		[ $# -gt 1 ] || { usage >&2; exit 2; }
		set -- "$1=$2" "${@:3}"
		continue
		;;
	--runs=*) runs=${1#*=} ;;
	--podcasts=*) podcasts=${1#*=} ;;
	--history=*) history=${1#*=} ;;
	--held=*) held=${1#*=} ;;
	--rate=*) rate=${1#*=} ;;
	--agents=*) at_once=${1#*=} ;;
	--keep) keep=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[[ $runs =~ ^[1-9][0-9]*$ && $podcasts =~ ^[1-9][0-9]*$ && $history =~ ^[1-9][0-9]*$ && $held =~ ^[1-9][0-9]*$ &&
	$rate =~ ^([1-9][0-9]*)?$ && $at_once =~ ^(nginx|stand-ins)$ ]] || { usage >&2; exit 2; }
[ ${#what[@]} -gt 0 ] || what=("${most[@]}")
wants() { [[ " ${what[*]} " == *" $1 "* ]]; }
# Some are measured against it.
if ! wants throughput && { wants two || wants history || { wants half && [ -z "$rate" ]; }; }; then
	what=(throughput "${what[@]}")
fi

mkdir -p "$run"
exec 8>"$run/lock"
flock -n 8 || fail "another one runs in $run"
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
hard=$(ulimit -Hn)
[ "$hard" != unlimited ] && [ "$hard" -lt 65536 ] || hard=65536
ulimit -n "$hard"

foreground tests/packages.sh build servers bench
load_before=$(cut -d ' ' -f 1-3 /proc/loadavg)
say "building"
foreground build || fail "it does not build" "$run/build.log"
start_servers
agent_times 5 30
: >"$run/runs"
say "warming up"
start_agents stand-ins --style sync
load throughput warm-up 512 /dev/null --podcasts "$warm_up"
load throughput warm-up 512 /dev/null --podcasts 20 --type search_results_generation
take_answers
! wants history || make_history history "$history" 0
! wants prune || make_history prune 1000000 1
for ((i = 1; i <= runs; i++)); do
	keep_warm # each time: the last turn, or what was filled in, has used what was free
	for name in "${what[@]}"; do
		scenario "$name" "$i"
	done
done
stop_agents
report
[ -z "$keep" ] || { start_agents "$at_once"; leave_running; }
