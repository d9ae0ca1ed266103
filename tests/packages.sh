#!/bin/sh
# Installs with apt the Debian 12 packages that building, running and testing need.
#
#   tests/packages.sh [--list] GROUP...
#
#   build     compiler, CMake, Ninja and the libraries that cpoa links
#   servers   PostgreSQL, RabbitMQ, and espeak-ng (the voice of the stand-in agents)
#   test      Criterion, clang and its tools, and what the tests are written with
#   bench     nginx, which the benchmark has for agents that cost little
#   deploy    what builds the image and checks chart, rules and package
#   --list    prints the packages of the groups and installs nothing
#
# Needs root, or a user with sudo. Does nothing, in milliseconds, when all is there already.
# Debian starts PostgreSQL and RabbitMQ as system services on installing them; that is kept
# from happening, so that no port is taken: the tests start servers of their own (servers.sh).
set -eu

build='build-essential ca-certificates cmake ninja-build pkg-config
	libcurl4-openssl-dev libjson-c-dev libmicrohttpd-dev libmimalloc-dev libpq-dev librabbitmq-dev
	libssl-dev libxml2-dev'
servers='openssl postgresql-15 rabbitmq-server espeak-ng'
test='clang clang-format clang-tidy cppcheck curl git libclang-rt-14-dev libcriterion-dev llvm
	faketime man-db nodejs npm pgbouncer procps python3 python3-pika python3-psycopg2 shellcheck valgrind'
bench='curl nginx-light'
deploy='buildah docker-compose file mmdebstrap nodejs npm prometheus python3-yaml systemd'

policy=/usr/sbin/policy-rc.d

say() { printf 'packages: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }

# The packages among "$@" that are not installed.
missing() {
	have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || :)
	for p; do
		case "
$have
" in
		*"
installed $p
"*) ;;
		# It also comes with other builds of Node, beside which Debian's cannot be installed.
		*) [ "$p" = npm ] && command -v npm >/dev/null || echo "$p" ;;
		esac
	done
}

# While apt runs, policy-rc.d tells maintainer scripts to start no service (101: forbidden).
forbid_services() {
	"$policy" postgresql start >/dev/null 2>&1 && code=0 || code=$?
	[ "$code" = 101 ] && return
	trap allow_services EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	[ ! -e "$policy" ] || mv "$policy" "$policy.before-cpoa"
	printf '#!/bin/sh\n# for the time of tests/packages.sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

allow_services() {
	rm -f "$policy"
	[ ! -e "$policy.before-cpoa" ] || mv "$policy.before-cpoa" "$policy"
}

# Nor shall the services that have just been installed come up with the next boot.
disable_services() {
	[ -d /run/systemd/system ] || return 0
	case " $* " in *' postgresql-15 '*) systemctl --quiet disable postgresql || : ;; esac
	case " $* " in *' nginx-light '*) systemctl --quiet disable nginx || : ;; esac
	case " $* " in *' prometheus '*) systemctl --quiet disable prometheus || : ;; esac
	case " $* " in *' rabbitmq-server '*) systemctl --quiet disable rabbitmq-server epmd.socket || : ;; esac
}

apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

list=
groups=$*
packages=
[ $# -gt 0 ] || { usage; exit 2; }
for arg; do
	case $arg in
	build) packages="$packages $build" ;;
	servers) packages="$packages $servers" ;;
	test) packages="$packages $test" ;;
	bench) packages="$packages $bench" ;;
	deploy) packages="$packages $deploy" ;;
	--list) list=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done

# shellcheck disable=SC2086 # package names are words
set -- $packages
if [ -n "$list" ]; then
	printf '%s\n' "$@"
	exit 0
fi
command -v apt-get >/dev/null ||
	die "this is no Debian: install by hand what '$0 --list' names"

# shellcheck disable=SC2046
set -- $(missing "$@")
[ $# -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || die "neither root nor sudo; as root: apt-get install $*"
	# shellcheck disable=SC2086
	exec sudo -- "$0" $groups
fi

say "installing $# packages: $*"
exec 9>/run/lock/cpoa-packages
flock 9
forbid_services
log=$(mktemp)
apt update >"$log" 2>&1 || say "apt-get update complained; going on with the lists that are there"
if ! apt install -y --no-install-recommends "$@" >>"$log" 2>&1 9>&-; then
	tail -n 30 "$log" >&2
	die "apt-get install failed (all of its output: $log)"
fi
rm -f "$log"
disable_services "$@"
