#!/bin/bash
# A podcast from the queue to the event, on a machine that has nothing but this repository:
# installs packages, builds, starts a private PostgreSQL and RabbitMQ, stand-ins for the agents
# and a worker, sends one podcast and one search through, and ends all that it started.
#
#   tests/quickstart.sh [--style sync|async] [--keep]
#   tests/quickstart.sh --stop
#
#   --style   how the stand-ins answer: at once (sync) or by 202 and polling (async, the default)
#   --keep    leaves everything running, and says how to use it
#   --stop    ends what an earlier --keep has left running
#
# With AMQP_URL and POSTGRES_HOST (or DATABASE_URL) set it uses those servers and starts none.
# Everything it writes is below build/.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
run=$PWD/build/quickstart
servers=$run/servers
audio=$run/audio
began=${EPOCHREALTIME/./}

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' tests/quickstart.sh; }

# ---- saying what happens ------------------------------------------------------------------

seconds() { # since time $1, in microseconds
	local tenths=$(((${EPOCHREALTIME/./} - $1) / 100000))
	echo "$((tenths / 10)).$((tenths % 10)) s"
}

# A line for each step: what it is, and when it is over how long it took.
step() {
	step_began=${EPOCHREALTIME/./}
	printf '%-52s' "$1"
}

done_step() { printf '%8s  %s\n' "$(seconds "$step_began")" "${1:-}"; }

# Says what went wrong, with the end of log file $2, and gives up.
fail() {
	printf '\n\nquickstart: %s\n' "$1" >&2
	if [ -s "${2:-}" ]; then
		printf -- '--- the end of %s\n' "$2" >&2
		tail -n 25 "$2" >&2
	fi
	exit 1
}

# ---- processes ----------------------------------------------------------------------------

# Whether process $1 runs (a zombie does not).
alive() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	stat=${stat##*) }
	[ "${stat:0:1}" != Z ]
}

# Whether process $1 is one that was launched here, and not a later one with the same number.
ours() {
	alive "$1" && tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | grep -Fqx "QUICKSTART_DIR=$run"
}

# Starts "$2..." in the background as $1: its output in $1.log, its number in $1.pid.
launch() {
	local name=$1
	shift
	QUICKSTART_DIR=$run setsid "$@" </dev/null >"$run/$name.log" 2>&1 8>&- &
	echo $! >"$run/$name.pid"
	disown
}

# Waits until "$3..." holds, as long as $1 runs, at most $2 seconds.
await() {
	local name=$1 deadline=$((SECONDS + $2)) pid
	shift 2
	pid=$(<"$run/$name.pid")
	until "$@"; do
		[ -d "/proc/$pid" ] || fail "$name ended while starting" "$run/$name.log"
		[ "$SECONDS" -lt "$deadline" ] || fail "$name does not get ready" "$run/$name.log"
		sleep 0.05
	done
}

# Ends process $1: SIGTERM, and SIGKILL when that has not helped for ten seconds.
end() {
	local tenths=100
	kill -TERM "$1" 2>/dev/null || :
	while alive "$1"; do
		[ $((tenths--)) -gt 0 ] || kill -KILL "$1" 2>/dev/null || :
		sleep 0.1
	done
}

end_everything() {
	local name pid
	for name in worker agents; do
		[ -s "$run/$name.pid" ] || continue
		read -r pid <"$run/$name.pid"
		! ours "$pid" || end "$pid"
		rm -f "$run/$name.pid"
	done
	# The last one launched may have no pid file yet.
	[ -z "${!:-}" ] || ! alive "$!" || end "$!"
	tests/servers.sh stop "$servers"
	rm -f "$run/env"
}

on_exit() {
	local code=$?
	trap - EXIT
	trap '' INT TERM HUP
	end_everything
	exit "$code"
}

# ---- the steps ----------------------------------------------------------------------------

packages() {
	local groups=build
	[ -n "$own_servers" ] || groups='build servers'
	step "packages"
	# shellcheck disable=SC2086
	tests/packages.sh $groups 2>"$run/packages.log" ||
		fail "packages are missing" "$run/packages.log"
	done_step
}

build() {
	local fresh=()
	step "build"
	grep -Fqsx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" build/CMakeCache.txt || fresh=(--fresh)
	{
		cmake --preset release "${fresh[@]}" &&
			cmake --build build --target cpoa cpoa-agents
	} >"$run/build.log" 2>&1 8>&- || fail "it does not build" "$run/build.log"
	done_step "$(build/cpoa version 2>/dev/null | head -n 1)"
}

start_servers() {
	if [ -n "$own_servers" ]; then
		echo "servers: those that AMQP_URL and POSTGRES_HOST or DATABASE_URL name"
		return
	fi
	step "PostgreSQL and RabbitMQ"
	tests/servers.sh start "$servers" 2>"$run/servers.log" 8>&- ||
		fail "the servers do not start" "$run/servers.log"
	unset DATABASE_URL DATABASE_URL_FILE AMQP_URL_FILE POSTGRES_PASSWORD_FILE
	unset POSTGRES_SSLMODE POSTGRES_SSLROOTCERT
	# shellcheck source=/dev/null
	. "$servers/env"
	unset CPOA_TEST_SERVERS CPOA_TEST_MQ_API # they are for tests
	done_step
}

migrate() {
	step "schema"
	build/cpoa migrate >"$run/migrate.log" 2>&1 8>&- || fail "migrating failed" "$run/migrate.log"
	done_step
}

start_agents() {
	local url agent
	step "stand-ins for the agents ($style)"
	mkdir -p "$audio"
	launch agents build/cpoa-agents --port 0 --style "$style" --latency 300 --audio-dir "$audio"
	await agents 10 grep -q '^cpoa-agents listening on http' "$run/agents.log"
	url=$(sed -n 's/^cpoa-agents listening on \(http[^ ]*\).*/\1/p' "$run/agents.log" | head -n 1)
	# The worker harvests the web itself; here the web is what the stand-ins serve.
	unset WCHA_SERVICE_BASE_URL
	export WCHA_SEARCH_URL="$url/search?q={query}" WCHA_ALLOW_HOSTS=${url#http://}
	export PSWA_SERVICE_URL=$url/v1/weave_script
	export VFA_SERVICE_URL=$url/v1/forge_voice
	export SCA_SERVICE_URL=$url/craft_snippet
	export IGA_SERVICE_URL=$url
	export TDA_SERVICE_URL=$url/discover_topics
	for agent in WCHA PSWA VFA SCA IGA TDA; do
		export "CPOA_${agent}_POLLING_INTERVAL_SECONDS=0.2"
	done
	done_step "$url"
}

# Whether the worker answers 200 to GET $1.
answers() {
	local status
	{
		exec 3<>"/dev/tcp/127.0.0.1/$CPOA_HTTP_PORT" &&
			printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" >&3 &&
			read -r -t 2 status <&3
	} 2>/dev/null || return 1
	exec 3>&-
	[[ $status == *' 200 '* ]]
}

start_worker() {
	step "worker"
	CPOA_HTTP_PORT=$(tests/servers.sh port)
	export CPOA_HTTP_PORT CPOA_HTTP_BIND=127.0.0.1 CPOA_DRAIN_SECONDS=5
	launch worker build/cpoa worker
	await worker 20 answers /readyz
	done_step "http://127.0.0.1:$CPOA_HTTP_PORT"
}

podcast() {
	local id sound
	id=$(</proc/sys/kernel/random/uuid)
	printf '\nA podcast on lighthouses:\n\n'
	build/cpoa enqueue podcast_generation --arg topic="How lighthouses came to be" \
		--client-id quickstart --workflow-id "$id" --wait --timeout 60 8>&- ||
		fail "the podcast was not made (the stand-ins' log is $run/agents.log)" "$run/worker.log"
	printf '\nIts timeline, from PostgreSQL:\n\n'
	build/cpoa workflow show "$id" 8>&- || fail "no timeline of $id" "$run/worker.log"
	sound=$(find "$audio" -type f -newer "$run/worker.pid" | head -n 1)
	[ -n "$sound" ] || fail "there is no sound file in $audio" "$run/agents.log"
	printf '\nListen to it:\n\n    %s\n\n' "${sound#"$PWD"/}"
}

search() {
	printf 'A search on lighthouses, a snippet of each topic:\n\n'
	build/cpoa enqueue search_results_generation --arg query="lighthouses" \
		--client-id quickstart --wait --timeout 60 8>&- ||
		fail "the search failed (the stand-ins' log is $run/agents.log)" "$run/worker.log"
	printf '\n'
}

# What a shell needs to use what is left running.
write_env() {
	local name
	for name in AMQP_URL DATABASE_URL "${!POSTGRES_@}" "${!CPOA_@}" \
		"${!WCHA_@}" "${!PSWA_@}" "${!VFA_@}" "${!SCA_@}" "${!IGA_@}" "${!TDA_@}"; do
		[ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
	done >"$run/env"
}

leave_running() {
	write_env
	cat <<-EOF
		All of it goes on running. In your shell:

		    . build/quickstart/env
		    build/cpoa enqueue podcast_generation --arg topic="Why the sea is salt" --wait
		    build/cpoa workflow list
		    curl $IGA_SERVICE_URL/calls
		    curl http://127.0.0.1:$CPOA_HTTP_PORT/metrics

		where the environment is this:

		$(sed 's/^/    /' "$run/env")

		Its logs are in build/quickstart/. To end it:

		    tests/quickstart.sh --stop

	EOF
}

# ---- command line -------------------------------------------------------------------------

keep='' stop='' style=async
while [ $# -gt 0 ]; do
	case $1 in
	--keep) keep=1 ;;
	--stop) stop=1 ;;
	--style) style=${2:-}; shift $(($# > 1)) ;;
	--style=*) style=${1#*=} ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[[ $style == sync || $style == async || $style == mixed ]] || { usage >&2; exit 2; }
own_servers=
if [ -n "${AMQP_URL:-}" ] && [ -n "${POSTGRES_HOST:-}${DATABASE_URL:-}" ]; then
	own_servers=1
fi

mkdir -p "$run"
exec 8>"$run/lock"
flock -n 8 || fail "another one runs in $run"

trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -n "$stop" ]; then
	exit 0 # which ends everything
fi
if [ -e "$run/env" ]; then
	echo "ending what an earlier --keep has left running"
	end_everything
fi
rm -rf "$audio"

packages
build
start_servers
migrate
start_agents
start_worker
podcast
search
if [ -n "$keep" ]; then
	leave_running
	trap - EXIT INT TERM HUP
	exit
fi
step "ending all of it"
end_everything
done_step
trap - EXIT
echo "The whole took $(seconds "$began")."
