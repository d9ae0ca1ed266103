#!/bin/bash
# Builds the image as a container's builder does (buildah, without an engine and without a registry), and runs it:
# as PID 1, under uid 10001, with a read-only root; a podcast that is in flight at SIGTERM lands, and the exit code is 0.
#
#   tests/deploy/image.sh      CPOA_AGENTS_BIN, AMQP_URL, POSTGRES_*, CPOA_TEST_MQ_API as ctest and servers.sh set them
#
# Needs root (or sudo). What it makes is below build/image; the base is made once, the rest each time.
set -euo pipefail

[ "$(id -u)" = 0 ] || exec sudo --preserve-env -- "$0" "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source=$PWD
work=$source/build/image
limit=120000000 # bytes
base=localhost/cpoa-base:test image=localhost/cpoa:test

say() { printf 'image: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }
expect() { # WHAT IS SHALL
	[ "$2" = "$3" ] || die "$1 is '$2', and should be '$3'"
	say "$1: $2"
}

if [ -z "${AMQP_URL:-}" ] || [ -z "${POSTGRES_HOST:-}" ] || [ -z "${CPOA_AGENTS_BIN:-}" ]; then
	say "no servers (AMQP_URL, POSTGRES_HOST) or no stand-ins (CPOA_AGENTS_BIN): skipped"
	exit 77
fi

mkdir -p "$work/home" "$work/tmp"
export HOME=$work/home TMPDIR=$work/tmp BUILDAH_ISOLATION=chroot CONTAINERS_STORAGE_CONF=$work/storage.conf
storage() { printf '[storage]\ndriver="%s"\nrunroot="%s"\ngraphroot="%s"\n' "$1" "$work/run" "$work/graph" >"$CONTAINERS_STORAGE_CONF"; }
storage overlay
buildah images >/dev/null 2>&1 || { rm -rf "$work/run" "$work/graph"; storage vfs; }

container='' agents='' starter='' name=cpoa_image_$$
login=${AMQP_URL#*://} # which is the management API's too
login=${login%%@*}
api() { curl -fsS -u "$login" -X "$1" -H 'content-type: application/json' "$CPOA_TEST_MQ_API/api/$2" ${3:+-d "$3"} >/dev/null; }
on_exit() {
	local code=$?
	trap - EXIT
	set +e
	[ -z "$starter" ] || kill -KILL "$starter" 2>/dev/null # unshare heeds no other; with --kill-child its child goes too
	[ -z "$agents" ] || kill "$agents" 2>/dev/null
	wait
	[ -z "$container" ] || buildah rm "$container" >/dev/null
	psql -qXd postgres -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" 2>/dev/null
	api DELETE "vhosts/$name" 2>/dev/null
	exit "$code"
}
trap on_exit EXIT
trap 'exit 143' INT TERM HUP

# ---- building -----------------------------------------------------------------------------

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
	say "the base, as Debian's slim image is made"
	mmdebstrap --quiet --variant=minbase --include=ca-certificates --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$work/base.tar" >"$work/base.log" 2>&1 ||
		{ tail "$work/base.log"; die "mmdebstrap failed"; }
	made=$(buildah from scratch)
	buildah add -q "$made" "$work/base.tar" / >/dev/null
	buildah commit -q "$made" "$base" >/dev/null
	buildah rm "$made" >/dev/null
	rm -f "$work/base.tar"
fi
say "the image"
buildah bud --layers --format docker --timestamp 0 --pull-never --build-arg "BASE=$base" --build-arg VERSION=1.2.3 \
	--build-arg REVISION=0123456789abcdef -t "$image" . >"$work/build.log" 2>&1 ||
	{ tail -n 60 "$work/build.log"; die "it does not build (all of its output: $work/build.log)"; }
grep -E 'tests passed' "$work/build.log" || say "the build's steps were all there already"

# ---- what it says of itself ---------------------------------------------------------------

buildah inspect --type image "$image" >"$work/inspect.json"
config() { "${PYTHON:-python3}" -c 'import json, sys
c = json.load(open(sys.argv[1]))["Docker"]["config"]
v = eval(sys.argv[2], {"c": c})
print(v if isinstance(v, str) else json.dumps(v))' "$work/inspect.json" "$1"; }
expect user "$(config 'c["User"]')" 10001:10001
expect entrypoint "$(config 'c["Entrypoint"]')" '["cpoa"]'
expect command "$(config 'c["Cmd"]')" '["worker"]'
expect stopsignal "$(config 'c["StopSignal"]')" SIGTERM
expect healthcheck "$(config 'c["Healthcheck"]["Test"]')" '["CMD", "cpoa", "health"]'
expect version "$(config 'c["Labels"]["org.opencontainers.image.version"]')" 1.2.3
expect revision "$(config 'c["Labels"]["org.opencontainers.image.revision"]')" 0123456789abcdef
container=$(buildah from --pull-never "$image")
root=$(buildah mount "$container")
size=$(du -sb "$root" | cut -f1)
[ "$size" -le "$limit" ] || die "it has $size bytes, and $limit are the limit"
say "size: $size bytes of $limit"
[ ! -e "$root/bin/sh" ] || die "there is a shell in it"
setid=$(find "$root" -xdev -perm /6000 -type f)
[ -z "$setid" ] || die "set-id files in it: $setid"

# ---- running it ---------------------------------------------------------------------------

# What a runtime mounts; then the root is made read-only for whoever comes below.
mkdir -p "$root/proc" "$root/dev"
cat >"$work/as-pid-1.sh" <<-'EOS'
	mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" &&
		mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" || exit 120
	root=$1
	shift
	exec /usr/sbin/chroot --userspec=10001:10001 --groups= "$root" "$@"
EOS
port=$(tests/servers.sh port)
settings=("PATH=$(config 'c["Env"][0]' | cut -d= -f2)" "AMQP_URL=${AMQP_URL%/}/$name" "CPOA_HTTP_PORT=$port" CPOA_HTTP_BIND=127.0.0.1
	"POSTGRES_HOST=$POSTGRES_HOST" "POSTGRES_PORT=$POSTGRES_PORT" "POSTGRES_USER=$POSTGRES_USER"
	"POSTGRES_PASSWORD=${POSTGRES_PASSWORD:-}" "POSTGRES_DB=$name")
as_pid_1() { # ARGUMENTS...: makes the command that runs cpoa so
	command=(env -i "${settings[@]}" /usr/bin/unshare --fork --pid --mount --kill-child /bin/sh "$work/as-pid-1.sh" "$root" cpoa "$@")
}
in_image() { as_pid_1 "$@"; "${command[@]}"; }
await() { # SECONDS COMMAND...
	local until=$((SECONDS + $1))
	shift
	until "$@" >"$work/await.log" 2>&1; do
		[ "$SECONDS" -lt "$until" ] || { cat "$work/await.log" "$work/worker.log"; die "'$*' does not come true"; }
		sleep 0.1
	done
}

export PGHOST=$POSTGRES_HOST PGPORT=$POSTGRES_PORT PGUSER=$POSTGRES_USER PGPASSWORD=${POSTGRES_PASSWORD:-}
psql -qXd postgres -c "CREATE DATABASE $name"
api PUT "vhosts/$name"
api PUT "permissions/$name/guest" '{"configure":".*","write":".*","read":".*"}'
"$CPOA_AGENTS_BIN" --port 0 --latency 1500 >"$work/agents.log" 2>&1 &
agents=$!
await 10 grep -q '^cpoa-agents listening on' "$work/agents.log"
url=$(sed -n 's/^cpoa-agents listening on //p' "$work/agents.log")
settings+=("WCHA_SERVICE_BASE_URL=$url" "PSWA_SERVICE_URL=$url/weave_script" "VFA_SERVICE_URL=$url/forge_voice")

in_image migrate

# A command that handles no signal is ended by one all the same, though it is PID 1.
settings+=("WCHA_SEARCH_URL=$url/search?q={query}" "WCHA_ALLOW_HOSTS=${url#http://}")
as_pid_1 harvest Lighthouses
"${command[@]}" >"$work/harvest.log" 2>&1 &
starter=$!
searched() { curl -fsS "$url/calls" | grep -F /search; }
await 20 searched
kill -TERM "$(pgrep -P "$starter")"
code=0
wait "$starter" || code=$?
starter=
expect "exit code of a command after SIGTERM" "$code" 143

as_pid_1 worker
"${command[@]}" >"$work/worker.log" 2>&1 &
starter=$! # whose child is PID 1 of its namespace
ready() { in_image health ready; }
await 30 ready
worker=$(pgrep -P "$starter")
expect "PID in its namespace" "$(awk '/^NSpid:/ { print $NF }' "/proc/$worker/status")" 1
expect "uid and gid" "$(awk '/^[UG]id:/ { print $2, $3, $4, $5 }' "/proc/$worker/status" | sort -u)" '10001 10001 10001 10001'
expect "its capabilities" "$(awk '/^CapEff:/ { print $2 }' "/proc/$worker/status")" 0000000000000000
expect "its root is mounted" "$(awk '$5 == "/" { sub(/,.*/, "", $6); print $6 }' "/proc/$worker/mountinfo" | tail -n 1)" ro

in_image enqueue podcast_generation --arg topic=Lighthouses --workflow-id "$(</proc/sys/kernel/random/uuid)"
in_flight() { curl -fsS "http://127.0.0.1:$port/metrics" | grep -E '^cpoa_inflight\{type="podcast_generation"\} 1$'; }
await 20 in_flight
kill -TERM "$worker"
code=0
wait "$starter" || code=$?
starter=
expect "exit code after SIGTERM" "$code" 0
grep -q '"message":"draining"' "$work/worker.log" || { cat "$work/worker.log"; die "it did not drain"; }
expect "the podcast that was in flight" \
	"$(psql -AtXd "$name" -c "SELECT string_agg(overall_status, ',') FROM workflow_instances")" completed
say "ok"
