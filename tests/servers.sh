#!/bin/bash
# A private PostgreSQL and RabbitMQ on free loopback ports, everything of theirs below DIR.
#
#   tests/servers.sh start DIR [--pg-only|--mq-only] [--fsync on|off] [--tls]
#                                      start what is not running yet, wait until it serves
#   tests/servers.sh env DIR           print export lines for a shell (also in DIR/env)
#   tests/servers.sh status DIR        what runs, where; exit code 3 when nothing does
#   tests/servers.sh stop DIR          end them and remove their data; only logs stay
#   tests/servers.sh restart DIR pg|mq [fast|immediate|kill]
#   tests/servers.sh down DIR pg|mq [fast|immediate|kill]     the first half of restart
#   tests/servers.sh up DIR pg|mq                             the second: same port and data
#   tests/servers.sh pause DIR pg|mq   freeze every process of it (SIGSTOP)
#   tests/servers.sh resume DIR pg|mq  (SIGCONT)
#   tests/servers.sh port              print a port that is free on loopback
#
# For root and for ordinary users. PostgreSQL: superuser postgres, role and database cpoa, none of
# them asked for a password; and role cpoa_worker, which owns nothing and is. RabbitMQ: user guest,
# with the management API. All have the same password, which is easily found where it must not be.
# --tls: PostgreSQL takes TLS on its port as well, RabbitMQ on a port of its own; DIR/tls has a CA
# (ca.pem, ca.key) and certificates of it. What else connects to PostgreSQL is told not to use it.
# fsync is on unless told otherwise. Off means that the machine must not lose power; a killed
# PostgreSQL still loses nothing, because commits are written to the kernel either way.
# fast: ends as an administrator would end it. immediate: PostgreSQL drops everybody and
# recovers from its log at the next start. kill: SIGKILL to all. (RabbitMQ: the last two are one.)
#
# DIR/pg.log and DIR/mq.log are the servers' logs. DIR/../pg-template keeps a fresh database
# cluster to copy from, which saves a second at later starts.
set -euo pipefail
umask 022

say() { printf 'servers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

secret=hush-7c1f-do-not-tell

# Nothing of the caller's environment reaches the servers (PG*, RABBITMQ_*, ERL_*, sanitizers).
clean=(env -i "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8)

# ---- processes ----------------------------------------------------------------------------

# Whether process $1 exists and is no zombie.
alive() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	stat=${stat##*) }
	[ "${stat:0:1}" != Z ]
}

# The pid in file $1 if that process runs and is one that we started for this DIR.
pid_in() {
	local pid
	{ read -r pid <"$1"; } 2>/dev/null || return 1
	[ -n "$pid" ] && alive "$pid" &&
		tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -Fqx "CPOA_SERVERS_DIR=$dir" &&
		echo "$pid"
}

# Process $1 and all that descend from it.
tree() {
	cat /proc/[0-9]*/stat 2>/dev/null | sed 's/([^)]*)*/x/' | awk -v root="$1" '
		{ parent[$1] = $4 }
		END {
			for (p in parent) {
				for (q = p; q in parent && q != root; q = parent[q]);
				if (q == root)
					print p
			}
		}'
}

# Sends signal $1 to the pids that follow, whichever of them still exist.
signal() {
	local sig=$1 pid
	shift
	for pid; do
		kill -s "$sig" "$pid" 2>/dev/null || :
	done
}

# Waits up to $1 tenths of a second until all pids that follow are gone.
gone() {
	local tenths=$1 pid
	shift
	for pid; do
		while alive "$pid"; do
			[ $((tenths--)) -gt 0 ] || return 1
			sleep 0.1
		done
	done
}

# Ends the pids that follow $1: first by signal $2 to the first one with $1 tenths of a second
# to comply, then by SIGKILL.
end() {
	local tenths=$1 sig=$2
	shift 2
	[ $# -gt 0 ] || return 0
	signal CONT "$@"
	if [ "$sig" != KILL ]; then
		signal "$sig" "$1"
		gone "$tenths" "$@" && return 0
	fi
	signal KILL "$@"
	gone 100 "$@" || die "processes $* do not end"
}

# ---- ports --------------------------------------------------------------------------------

# Prints the first of $1 consecutive ports that nothing uses, outside of the kernel's range for
# outgoing connections. Two callers may be given the same one: whoever cannot bind asks again.
free_ports() {
	local n=$1 used base p try
	used=" $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) .*/\1/p' | tr '\n' ' ')"
	for ((try = 0; try < 500; try++)); do
		base=$((10000 + RANDOM % 2800 * 8))
		for ((p = base; p < base + n; p++)); do
			[[ $used != *" $(printf %04X $p) "* ]] || continue 2
		done
		echo $base
		return 0
	done
	die "found no $n free ports in a row"
}

# ---- PostgreSQL ---------------------------------------------------------------------------

# PostgreSQL refuses to run as root: then user postgres runs it.
pg_user() {
	as=()
	if [ "$(id -u)" = 0 ]; then
		getent passwd postgres >/dev/null || die "no user postgres: tests/packages.sh servers"
		as=(setpriv --reuid=postgres --regid=postgres --init-groups --inh-caps=-all)
	fi
	pg_bin=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
	pg_bin=${pg_bin%/postgres}
	[ -x "$pg_bin/initdb" ] || die "no PostgreSQL server found: tests/packages.sh servers"
}

# A fresh cluster, where its user can reach it; pg/at tells where.
pg_create() {
	local home=$dir/pg data template
	template=$(dirname "$dir")/pg-template-2
	if [ ${#as[@]} -gt 0 ]; then
		if ! "${as[@]}" test -x "$home" 2>/dev/null; then
			home=$(mktemp -d /var/tmp/cpoa-pg.XXXXXX)
			echo "$home/data" >"$dir/pg/at"
			chmod 755 "$home"
		fi
	fi
	data=$home/data
	echo "$data" >"$dir/pg/at"
	rm -rf "$data"
	if ! [ "$(cat "$template/PG_VERSION" 2>/dev/null)" = "$(basename "$(dirname "$pg_bin")")" ] ||
		! cp -a "$template" "$data" 2>>"$dir/pg.log"; then
		rm -rf "$data"
		mkdir "$data"
		pg_own "$data"
		pg_init "$data"
		pg_keep "$data" "$template"
	fi
	pg_own "$data"
	chmod 700 "$data"
}

# Only root has something to give away.
pg_own() {
	[ ${#as[@]} = 0 ] || chown -R postgres:postgres "$1"
}

pg_init() {
	"${clean[@]}" "${as[@]}" "$pg_bin/initdb" -D "$1" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync --no-instructions >>"$dir/pg.log" 2>&1 </dev/null ||
		fail pg "initdb failed"
	sed -i '1i host all cpoa_worker all scram-sha-256' "$1/pg_hba.conf"
	printf '%s\n' "CREATE ROLE cpoa LOGIN CREATEDB PASSWORD '$secret';" "CREATE DATABASE cpoa OWNER cpoa;" \
		"CREATE ROLE cpoa_worker LOGIN PASSWORD '$secret';" "GRANT cpoa_worker TO cpoa;" |
		"${clean[@]}" "${as[@]}" "$pg_bin/postgres" --single -D "$1" -c fsync=off template1 \
			>>"$dir/pg.log" 2>&1 || fail pg "could not make role and database"
}

# Keeps a copy of data directory $1 as template $2, whole or not at all.
pg_keep() {
	local copy=$dir/pg/template
	{ cp -a "$1" "$copy" && rm -rf "$2" && mv -T "$copy" "$2"; } 2>/dev/null || rm -rf "$copy"
}

# Starts it on port $1, or on a free one when $1 is empty.
pg_start() {
	local port=$1 fsync data pid try bound tls=off
	pg_user
	fsync=$(<"$dir/pg/fsync")
	[ -s "$dir/pg/at" ] || pg_create
	data=$(<"$dir/pg/at")
	if [ -s "$dir/tls/ca.pem" ]; then
		tls=on
		cp "$dir/tls/good.pem" "$data/server.crt"
		cp "$dir/tls/good.key" "$data/server.key"
		chmod 600 "$data/server.key"
		pg_own "$data/server.crt"
		pg_own "$data/server.key"
	fi
	rm -f "$data/postmaster.pid" # a killed one's, whose number a zombie may still bear
	for ((try = 0; try < 10; try++)); do
		bound=$port
		[ -n "$bound" ] || bound=$(free_ports 1)
		echo "$bound" >"$dir/pg/port"
		"${clean[@]}" "CPOA_SERVERS_DIR=$dir" setsid "${as[@]}" "$pg_bin/postgres" \
			-D "$data" -p "$bound" \
			-c listen_addresses=127.0.0.1 -c unix_socket_directories= \
			-c max_connections=200 -c timezone=UTC -c log_timezone=UTC \
			-c ssl="$tls" -c fsync="$fsync" -c full_page_writes="$fsync" \
			</dev/null >>"$dir/pg.log" 2>&1 9>&- &
		pid=$!
		echo "$pid" >"$dir/pg/pid"
		disown
		while alive "$pid"; do
			# Eight lines, the first its process id, the last its state.
			if [ "$(sed -n 1p "$data/postmaster.pid" 2>/dev/null)" = "$pid" ] &&
				grep -q '^ready' "$data/postmaster.pid" 2>/dev/null; then
				return 0
			fi
			sleep 0.02
		done
		tail -n 8 "$dir/pg.log" |
			grep -Eq 'Address already in use|pre-existing shared memory' ||
			fail pg "PostgreSQL ended while starting"
		# Somebody was faster with this port, or a killed one's backends are still going.
		[ -z "$port" ] || sleep 0.3
	done
	fail pg "PostgreSQL got no port"
}

pg_pids() {
	local pid
	pid=$(pid_in "$dir/pg/pid") || return 0
	echo "$pid"
	tree "$pid" | grep -vx "$pid" || :
}

pg_stop() {
	local mode=$1 pids
	mapfile -t pids < <(pg_pids)
	case $mode in
	fast) end 600 INT "${pids[@]}" ;;
	immediate) end 100 QUIT "${pids[@]}" ;;
	kill) end 0 KILL "${pids[@]}" ;;
	esac
	rm -f "$dir/pg/pid"
}

# ---- RabbitMQ -----------------------------------------------------------------------------

# Starts it on the five ports from $1 on (AMQP, management, epmd, distribution, amqps), or on free
# ones when $1 is empty. Does not wait until it serves: mq_wait does.
mq_launch() {
	local port=$1 mq=$dir/mq
	local server=/usr/lib/rabbitmq/bin/rabbitmq-server # Debian's in /usr/sbin insists on user rabbitmq
	[ -x "$server" ] || die "no RabbitMQ server found: tests/packages.sh servers"
	[ -n "$port" ] || port=$(free_ports 5)
	mkdir -p "$mq/home" "$mq/mnesia" "$mq/schema"
	echo "$port" >"$mq/port"
	echo '[rabbitmq_management].' >"$mq/enabled_plugins"
	cat >"$mq/rabbitmq.conf" <<-EOF
		listeners.tcp.1 = 127.0.0.1:$port
		management.tcp.ip = 127.0.0.1
		management.tcp.port = $((port + 1))
		disk_free_limit.absolute = 50MB
		default_user = guest
		default_pass = $secret
	EOF
	[ ! -s "$dir/tls/ca.pem" ] || cat >>"$mq/rabbitmq.conf" <<-EOF
		listeners.ssl.1 = 127.0.0.1:$((port + 4))
		ssl_options.cacertfile = $dir/tls/ca.pem
		ssl_options.certfile = $dir/tls/good.pem
		ssl_options.keyfile = $dir/tls/good.key
		ssl_options.verify = verify_peer
		ssl_options.fail_if_no_peer_cert = false
	EOF
	: >"$mq/stdout"
	if ! pid_in "$mq/epmd.pid" >/dev/null; then
		"${clean[@]}" "CPOA_SERVERS_DIR=$dir" \
			setsid epmd -port $((port + 2)) -address 127.0.0.1 \
			</dev/null >>"$mq/stdout" 2>&1 9>&- &
		echo $! >"$mq/epmd.pid"
		disown
	fi
	# "detached" makes the script become the Erlang machine instead of watching over it.
	"${clean[@]}" "CPOA_SERVERS_DIR=$dir" detached=1 HOME="$mq/home" \
		RABBITMQ_NODENAME=cpoa@localhost \
		RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$port" \
		RABBITMQ_DIST_PORT=$((port + 3)) \
		ERL_EPMD_PORT=$((port + 2)) ERL_EPMD_ADDRESS=127.0.0.1 ERL_CRASH_DUMP=/dev/null \
		RABBITMQ_MNESIA_BASE="$mq/mnesia" RABBITMQ_LOG_BASE="$mq" \
		RABBITMQ_LOGS="$dir/mq.log" RABBITMQ_PID_FILE="$mq/rabbit.pid" \
		RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE="$mq/rabbitmq" \
		RABBITMQ_ADVANCED_CONFIG_FILE="$mq/advanced.config" \
		RABBITMQ_GENERATED_CONFIG_DIR="$mq/schema" RABBITMQ_SCHEMA_DIR="$mq/schema" \
		RABBITMQ_ENABLED_PLUGINS_FILE="$mq/enabled_plugins" \
		RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
		setsid "$server" </dev/null >>"$mq/stdout" 2>&1 9>&- &
	echo $! >"$mq/pid"
	disown
}

# Waits until it serves. With "move" it goes to other ports when somebody was faster with these.
mq_wait() {
	local move=${1:-} mq=$dir/mq try pid
	for ((try = 0; try < 5; try++)); do
		pid=$(<"$mq/pid")
		while alive "$pid" && ! grep -q 'BOOT FAILED' "$mq/stdout"; do
			if grep -q 'Starting broker\.\.\. completed' "$mq/stdout"; then
				pid_in "$mq/epmd.pid" >/dev/null && return 0
				break # it found a stranger's epmd on our port
			fi
			sleep 0.05
		done
		if [ -z "$move" ] || ! mq_was_too_late; then
			fail mq "RabbitMQ ended while starting"
		fi
		mq_stop kill
		mq_forget_epmd
		rm -rf "$mq/mnesia"
		mq_launch ''
	done
	fail mq "RabbitMQ got no ports"
}

# Whether it failed because somebody else had one of its ports.
mq_was_too_late() {
	! pid_in "$dir/mq/epmd.pid" >/dev/null ||
		grep -Eqi 'eaddrinuse|already in use' "$dir/mq/stdout" "$dir/mq.log"
}

mq_pids() {
	local pid
	pid=$(pid_in "$dir/mq/pid") || return 0
	echo "$pid"
	tree "$pid" | grep -vx "$pid" || :
}

mq_stop() {
	local mode=$1 pids
	mapfile -t pids < <(mq_pids)
	case $mode in
	fast) end 300 TERM "${pids[@]}" ;;
	immediate | kill) end 0 KILL "${pids[@]}" ;;
	esac
	rm -f "$dir/mq/pid"
}

mq_forget_epmd() {
	local pid
	if pid=$(pid_in "$dir/mq/epmd.pid"); then
		end 0 KILL "$pid"
	fi
	rm -f "$dir/mq/epmd.pid"
}

# ---- TLS ----------------------------------------------------------------------------------

# A certificate for subject $2 and alternative names $3 in DIR/tls/$1.pem, its key in $1.key.
# What follows is for openssl x509: who signs it, and for how long.
certificate() {
	local name=$1 subject=$2 names=$3 tls=$dir/tls
	shift 3
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$tls/$name.key" -out "$tls/$name.csr" -subj "/CN=$subject"
	openssl x509 -req -in "$tls/$name.csr" -out "$tls/$name.pem" "$@" \
		-extfile <(printf '%s\n' "$names")
	rm "$tls/$name.csr"
}

# A CA, servers' certificates that hold and that do not, and a client's of each of two CAs.
certificates() {
	local here=subjectAltName=DNS:localhost,IP:127.0.0.1 tls=$dir/tls
	local signed=(-CA "$tls/ca.pem" -CAkey "$tls/ca.key")
	rm -rf "$tls"
	mkdir "$tls"
	{
		certificate ca 'CA of a test' basicConstraints=critical,CA:true \
			-signkey "$tls/ca.key" -days 30
		certificate good localhost "$here" "${signed[@]}" -days 30
		certificate expired localhost "$here" "${signed[@]}" -days -1
		certificate other elsewhere.example subjectAltName=DNS:elsewhere.example "${signed[@]}" -days 30
		certificate self localhost "$here" -signkey "$tls/self.key" -days 30
		certificate client worker '' "${signed[@]}" -days 30
		certificate stranger worker '' -CA "$tls/self.pem" -CAkey "$tls/self.key" -days 30
	} >"$dir/tls.log" 2>&1 || { cat "$dir/tls.log" >&2; die "openssl could not make certificates"; }
}

# ---- both ---------------------------------------------------------------------------------

# Shows the end of $1's logs, says why, and gives up.
fail() {
	local log
	for log in "$dir/$1/stdout" "$dir/$1.log"; do
		[ ! -s "$log" ] || { echo "--- $log"; tail -n 20 "$log"; } >&2
	done
	die "$2"
}

# One at a time for this DIR. The servers do not inherit descriptor 9.
lock() {
	exec 9>"$dir/lock"
	flock 9
}

# (Functions called from here say "return 0": a bare return would give the status before the trap.)
#
# Whatever ends a start early ends what it began: "all" there is, or "this" process' children.
on_early_end() {
	undo=$1
	trap early_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

early_end() {
	trap - EXIT
	trap '' INT TERM HUP
	[ "$undo" != all ] || stop_all
	# The last one launched may have no pid file yet.
	if [ -n "${!:-}" ] && alive "$!"; then
		# shellcheck disable=SC2046
		end 0 KILL "$!" $(tree "$!" | grep -vx "$!")
	fi
}

write_env() {
	{
		if [ -s "$dir/mq/port" ]; then
			echo "export AMQP_URL=amqp://guest:$secret@127.0.0.1:$(<"$dir/mq/port")/"
			echo "export CPOA_TEST_MQ_API=http://127.0.0.1:$(($(<"$dir/mq/port") + 1))"
		fi
		if [ -s "$dir/pg/port" ]; then
			echo "export POSTGRES_HOST=127.0.0.1"
			echo "export POSTGRES_PORT=$(<"$dir/pg/port")"
			echo "export POSTGRES_USER=cpoa"
			echo "export POSTGRES_PASSWORD=$secret"
			echo "export POSTGRES_DB=cpoa"
			echo "export CPOA_TEST_WORK_USER=cpoa_worker"
		fi
		if [ -s "$dir/tls/ca.pem" ]; then
			echo "export POSTGRES_SSLMODE=disable PGSSLMODE=disable"
			printf 'export CPOA_TEST_TLS=%q\n' "$dir/tls"
			[ ! -s "$dir/mq/port" ] || echo "export CPOA_TEST_AMQPS_PORT=$(($(<"$dir/mq/port") + 4))"
		fi
		echo "export CPOA_TEST_SECRET=$secret"
		printf 'export CPOA_TEST_SERVERS=%q\n' "$dir"
	} >"$dir/env.new"
	mv "$dir/env.new" "$dir/env"
}

start() {
	local want_pg=1 want_mq=1 want_tls="" fsync=on began=${EPOCHREALTIME/./} took
	while [ $# -gt 0 ]; do
		case $1 in
		--pg-only) want_mq= ;;
		--mq-only) want_pg= ;;
		--tls) want_tls=1 ;;
		--fsync)
			fsync=${2:-}
			[[ $fsync == on || $fsync == off ]] || die "--fsync takes on or off"
			shift
			;;
		*) die "start does not know $1" ;;
		esac
		shift
	done
	[ -n "$want_pg$want_mq" ] || die "--pg-only and --mq-only together leave nothing to start"
	mkdir -p "$dir"
	lock
	raise_limit
	pid_in "$dir/mq/pid" >/dev/null && want_mq=
	if pid_in "$dir/pg/pid" >/dev/null; then
		[ -z "$want_pg" ] || [ "$(<"$dir/pg/fsync")" = "$fsync" ] ||
			die "PostgreSQL runs already, with fsync $(<"$dir/pg/fsync"): stop it first"
		want_pg=
	fi
	if [ -z "$want_pg$want_mq" ]; then
		say "running already: $(places)"
		return 0
	fi
	on_early_end all
	[ -z "$want_tls" ] || certificates
	# RabbitMQ takes five seconds: PostgreSQL is up before it.
	if [ -n "$want_mq" ]; then
		mq_remove
		: >"$dir/mq.log"
		mkdir -p "$dir/mq"
		mq_launch ''
	fi
	if [ -n "$want_pg" ]; then
		pg_remove
		: >"$dir/pg.log"
		mkdir -p "$dir/pg"
		echo "$fsync" >"$dir/pg/fsync"
		pg_start ''
	fi
	[ -z "$want_mq" ] || mq_wait move
	write_env
	trap - EXIT INT TERM HUP
	took=$(((${EPOCHREALTIME/./} - began) / 100000))
	say "ready after $((took / 10)).$((took % 10)) s: $(places)"
}

# Enough descriptors for some thousand connections; RabbitMQ suffers from too many.
raise_limit() {
	local hard
	hard=$(ulimit -Hn)
	[ "$hard" != unlimited ] && [ "$hard" -lt 65536 ] || hard=65536
	ulimit -n "$hard"
}

places() {
	local s=
	[ ! -s "$dir/pg/port" ] || s="PostgreSQL 127.0.0.1:$(<"$dir/pg/port")"
	[ ! -s "$dir/mq/port" ] || s+="${s:+, }RabbitMQ 127.0.0.1:$(<"$dir/mq/port")"
	echo "$s"
}

# Both remove data only: the server must be down.
pg_remove() {
	local at
	if [ -s "$dir/pg/at" ]; then
		at=$(<"$dir/pg/at")
		if [ -e "$at/postmaster.pid" ]; then
			# It was killed: recovery gives back the shared memory that it has left.
			pg_user
			rm -f "$at/postmaster.pid"
			"${clean[@]}" "${as[@]}" "$pg_bin/postgres" --single -D "$at" -c fsync=off template1 \
				</dev/null >>"$dir/pg.log" 2>&1 || :
		fi
		[[ $at != /var/tmp/cpoa-pg.*/data ]] || rm -rf "${at%/data}"
	fi
	rm -rf "$dir/pg"
}

mq_remove() {
	mq_forget_epmd
	rm -rf "$dir/mq"
}

stop_all() {
	pg_stop immediate
	pg_remove
	mq_stop kill
	mq_remove
	rm -rf "$dir/env" "$dir/tls"
}

status() {
	local s pid any=
	for s in pg mq; do
		if pid=$(pid_in "$dir/$s/pid"); then
			any=1
			echo "$s running pid $pid port $(<"$dir/$s/port")$([ $s = mq ] || echo " fsync $(<"$dir/pg/fsync")")"
		elif [ -d "$dir/$s" ]; then
			echo "$s down"
		fi
	done
	[ -n "$any" ] || exit 3
}

up() {
	pid_in "$dir/$1/pid" >/dev/null && return 0
	on_early_end this
	raise_limit
	case $1 in
	pg) pg_start "$(<"$dir/pg/port")" ;;
	mq)
		mq_launch "$(<"$dir/mq/port")"
		mq_wait
		;;
	esac
	trap - EXIT INT TERM HUP
}

# Freezes a server: the parent first, so that it makes no more children meanwhile.
pause() {
	local pids
	mapfile -t pids < <("$1_pids")
	[ ${#pids[@]} -gt 0 ] || die "$1 is not running in $dir"
	signal STOP "${pids[0]}"
	mapfile -t pids < <("$1_pids")
	signal STOP "${pids[@]}"
}

resume() {
	local pids
	mapfile -t pids < <("$1_pids")
	[ ${#pids[@]} -gt 0 ] || die "$1 is not running in $dir"
	signal CONT "${pids[@]}"
}

# ---- command line -------------------------------------------------------------------------

command=${1:-help}
case $command in
port) free_ports 1; exit ;;
start | env | status | stop | restart | down | up | pause | resume) ;;
-h | --help | help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac
[ -n "${2:-}" ] || { usage >&2; exit 2; }
dir=$(realpath -m -- "$2")
shift 2
cd / # user postgres may not be allowed to look into the caller's directory

case $command in
start) start "$@"; exit ;;
env)
	[ -s "$dir/env" ] || die "no servers were started in $dir"
	exec cat "$dir/env"
	;;
status) status; exit ;;
stop)
	[ -d "$dir" ] || exit 0
	lock
	stop_all
	exit
	;;
esac

# What is left is about one of the two.
server=${1:-}
mode=${2:-fast}
[[ $server == pg || $server == mq ]] || die "$command takes pg or mq"
[[ $mode == fast || $mode == immediate || $mode == kill ]] || die "$command takes fast, immediate or kill"
[ -s "$dir/$server/port" ] || die "$server was not started in $dir"
lock
case $command in
pause | resume) "$command" "$server" ;;
down) "${server}_stop" "$mode" ;;
up) up "$server" ;;
restart)
	"${server}_stop" "$mode"
	up "$server"
	;;
esac
