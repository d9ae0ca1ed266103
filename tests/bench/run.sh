#!/bin/bash
# The benchmark: one worker with PostgreSQL (fsync on), RabbitMQ and agents on this machine.
#
#   tests/bench/run.sh [quick|all|SCENARIO...] [--runs R] [--podcasts N] [--inflight] [--keep]
#
#   throughput    N podcasts published beforehand, agents that answer at once
#   async         a quarter of them with agents that answer 202, take 100 ms and are polled
#   lone          200 podcasts, one after another
#   floor         the SQL of a podcast replayed without a worker: what there is to reach
#   inflight      2000 podcasts at once with agents that take 10 s, in both styles
#   prune         throughput without and with a `cpoa prune` of --history N workflows beside it
#   extraction [DIR]  HTML to text, alone: MB/s on one core, 10,000 damaged pages, and the score against
#                 true texts. DIR (or $CPOA_EXTRACTION_DIR) holds html/KEY.html.gz, truth.json, score.py
#   (none)        all but inflight and prune; all: with inflight, as --inflight does
#   quick         one short run of throughput, async and lone, for CI
#   --runs R      how often each is run (3); the table has the median and the spread
#   --podcasts N  of throughput and floor (20000)
#   --history N   of prune (1000000)
#   --agents WHO  what answers at once: nginx with fixed answers (the default), or the stand-ins
#   --keep        leaves servers and stand-ins running, and says how to use them (for perf)
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
	tests/servers.sh stop "$servers" 8>&-
	exit "$code"
}

# ---- what is measured ---------------------------------------------------------------------

build() {
	local fresh=()
	grep -Fqsx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$bin/CMakeCache.txt" || fresh=(--fresh)
	{
		cmake --preset release -B "$bin" -DCPOA_BENCH=ON "${fresh[@]}" &&
			cmake --build "$bin" --target cpoa cpoa-agents bench_load bench_floor bench_report
	} >"$run/build.log" 2>&1
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
	watch=(--watch "postgres=$(<"$servers/pg/pid")" --watch "rabbitmq=$(<"$servers/mq/pid")")
}

poll_every() {
	export CPOA_WCHA_POLLING_INTERVAL_SECONDS=$1 CPOA_PSWA_POLLING_INTERVAL_SECONDS=$1
	export CPOA_VFA_POLLING_INTERVAL_SECONDS=$1
}

# Runs scenario $1 as $2, at most $3 workflows in flight; its line goes to file $4. More options follow.
load() {
	local scenario=$1 name=$2 most=$3 out=$4
	shift 4
	CPOA_HTTP_PORT=$(tests/servers.sh port)
	export CPOA_HTTP_PORT CPOA_HTTP_BIND=127.0.0.1 CPOA_LOG_LEVEL=warn CPOA_DRAIN_SECONDS=5
	export CPOA_MAX_INFLIGHT=$most
	foreground "$bin/bench/bench_load" "$scenario" --name "$name" "${watch[@]}" \
		--watch "agents=$agents_pid" --agents "$agents" "$@" -- "$bin/cpoa" worker \
		>>"$out" 2>"$run/$name.log" || fail "$name failed" "$run/$name.log"
}

# What PostgreSQL answers to $1.
query() {
	psql -h "$POSTGRES_HOST" -p "$POSTGRES_PORT" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -qAt -v ON_ERROR_STOP=1 -c "$1" 8>&-
}

# History that ended 60 days ago: --history workflows with four calls each, as large as those of a podcast.
fill_history() {
	say "filling in $history old workflows"
	foreground psql -h "$POSTGRES_HOST" -p "$POSTGRES_PORT" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -q -v ON_ERROR_STOP=1 \
		-c "WITH w AS (INSERT INTO workflow_instances (trigger_event_type, overall_status, start_timestamp,
			end_timestamp, idempotency_key, terminal_event)
			SELECT 'podcast_generation', 'completed', now() - interval '90 days' + i * interval '1 second',
			now() - interval '90 days' + i * interval '1 second', 'old ' || gen_random_uuid(), repeat(md5(i::text), 50)
			FROM generate_series(1, $history) i RETURNING workflow_id, start_timestamp)
			INSERT INTO task_instances (workflow_id, agent_name, task_order, status, call_name, start_timestamp, reply)
			SELECT workflow_id, 'PSWA', c, 'completed', 'call' || c, start_timestamp,
			to_json(repeat(md5(c::text), 20)) FROM w, generate_series(1, 4) c" -c "VACUUM ANALYZE workflow_instances" \
		-c "VACUUM ANALYZE task_instances" >"$run/history.log" 2>&1 || fail "no history" "$run/history.log"
}

scenario() {
	say "$1 ($2 of $runs)"
	case $1 in
	throughput)
		start_agents "$at_once"
		load throughput throughput 512 "$run/runs" --podcasts "$podcasts"
		;;
	async)
		start_agents stand-ins --style async --latency 100
		poll_every 0.05
		load throughput async 2048 "$run/runs" --podcasts $((podcasts / 4))
		;;
	lone)
		start_agents "$at_once"
		load lone lone 512 "$run/runs" --podcasts 200
		;;
	floor)
		foreground "$bin/bench/bench_floor" --podcasts "$podcasts" "${watch[@]:0:2}" \
			>>"$run/runs" 2>"$run/floor.log" || fail "floor failed" "$run/floor.log"
		;;
	prune)
		start_agents "$at_once"
		fill_history
		load throughput prune_without 512 "$run/runs" --podcasts "$podcasts"
		setpriv --pdeathsig KILL "$bin/cpoa" prune --older-than 30d --yes </dev/null >"$run/prune.log" 2>&1 8>&- &
		pruner=$!
		load throughput prune_with 512 "$run/runs" --podcasts "$podcasts"
		kill -0 "$pruner" 2>/dev/null || say "prune had ended before the load did: give it a larger --history"
		end "$pruner"
		pruner=
		tail -n 1 "$run/prune.log" >&2
		;;
	inflight)
		poll_every 2
		start_agents stand-ins --style sync --latency 10000
		load inflight inflight_sync 2048 "$run/runs" --podcasts 2000
		start_agents stand-ins --style async --latency 10000
		load inflight inflight_async 2048 "$run/runs" --podcasts 2000
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
		export -p | grep -E ' (WCHA|PSWA|VFA|CPOA)_' || :
	} >"$run/env"
	say "servers and stand-ins go on running until this ends (Ctrl-C); in another shell: . build/bench/env"
	foreground sleep infinity
}

# ---- extraction ---------------------------------------------------------------------------

extraction() {
	local from=${1:-${CPOA_EXTRACTION_DIR:-.}} pages=$run/pages page
	[ -d "$from/html" ] || fail "there are no pages in $from/html; name a folder that has some"
	tests/packages.sh build >&2 || fail "packages"
	mkdir -p "$pages"
	{ cmake --preset release -B "$bin" -DCPOA_BENCH=ON && cmake --build "$bin" --target extraction; } \
		>"$run/build.log" 2>&1 || fail "it does not build" "$run/build.log"
	for page in "$from"/html/*.gz; do
		gzip -dc "$page" >"$pages/$(basename "$page" .gz)"
	done
	"$bin/bench/extraction" "$pages" >"$run/predictions.json"
	[ ! -x "$from/score.py" ] || python3 "$from/score.py" "$run/predictions.json" | tail -n 1
	"$bin/bench/extraction" --bench "$pages"
	"$bin/bench/extraction" --mutate "$pages" 10000
}

if [ "${1:-}" = extraction ]; then
	mkdir -p "$run"
	shift
	extraction "$@"
	exit
fi

# ---- command line -------------------------------------------------------------------------

runs=3 podcasts=20000 history=1000000 warm_up=2000 at_once=nginx keep='' what=()
while [ $# -gt 0 ]; do
	case $1 in
	quick)
		what+=(throughput async lone)
		runs=1 podcasts=3000 warm_up=500
		;;
	all) what+=(throughput async lone floor inflight) ;;
	throughput | async | lone | floor | inflight | prune) what+=("$1") ;;
	--inflight) what=("${what[@]:-throughput async lone floor}" inflight) ;;
	--runs) runs=${2:-}; shift $(($# > 1)) ;;
	--runs=*) runs=${1#*=} ;;
	--podcasts) podcasts=${2:-}; shift $(($# > 1)) ;;
	--podcasts=*) podcasts=${1#*=} ;;
	--history) history=${2:-}; shift $(($# > 1)) ;;
	--history=*) history=${1#*=} ;;
	--agents) at_once=${2:-}; shift $(($# > 1)) ;;
	--agents=*) at_once=${1#*=} ;;
	--keep) keep=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[[ $runs =~ ^[1-9][0-9]*$ && $podcasts =~ ^[1-9][0-9]*$ && $history =~ ^[1-9][0-9]*$ &&
	$at_once =~ ^(nginx|stand-ins)$ ]] || { usage >&2; exit 2; }
[ ${#what[@]} -gt 0 ] || what=(throughput async lone floor)
# shellcheck disable=SC2206 # words
what=(${what[*]})

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
: >"$run/runs"
say "warming up"
start_agents stand-ins --style sync
load throughput warm-up 512 /dev/null --podcasts "$warm_up"
take_answers
for ((i = 1; i <= runs; i++)); do
	for name in "${what[@]}"; do
		scenario "$name" "$i"
	done
done
stop_agents
report
[ -z "$keep" ] || { start_agents "$at_once"; leave_running; }
