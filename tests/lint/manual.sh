#!/bin/bash
# Whether what the program says of itself is whole: manual.sh CPOA
#
# The man page has no warning and every command and option, bash completes what it should, and what a
# usage names as an option is one.
set -euo pipefail
. tests/lint/common.sh

cpoa=${1:?usage: tests/lint/manual.sh CPOA}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ---- the page -----------------------------------------------------------------------------

"$cpoa" help --man >"$scratch/cpoa.1"
LC_ALL=C.UTF-8 MANROFFOPT='' man --warnings -E UTF-8 -l -Tutf8 "$scratch/cpoa.1" >/dev/null 2>"$scratch/warnings" ||
	complain "man cannot show the page"
[ ! -s "$scratch/warnings" ] || complain "$(cat "$scratch/warnings")"
commands=$("$cpoa" help | sed -n 's/^  \([a-z-]*\) .*/\1/p')
[ -n "$commands" ] || complain "cpoa help lists no command"
for command in $commands; do
	grep -Fqx ".SS cpoa $command" "$scratch/cpoa.1" || complain "the man page lacks cpoa $command"
done
for word in '.B CPOA_MAX_INFLIGHT' '.B POSTGRES_PASSWORD' '.SH EXIT STATUS' '.B \-\-older\-than D'; do
	grep -Fqx -- "$word" "$scratch/cpoa.1" || complain "the man page lacks $word"
done

# ---- completion ---------------------------------------------------------------------------

"$cpoa" help --completion bash >"$scratch/completion"
# shellcheck source=/dev/null
. "$scratch/completion"

# expect "WORDS" "WHAT": what is offered for the last of the words is WHAT (sorted).
expect() {
	local offered
	read -ra COMP_WORDS <<<"$1"
	[ "${1: -1}" != ' ' ] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_cpoa
	offered=$(printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"} | sort | tr '\n' ' ')
	[ "${offered% }" = "$2" ] || complain "'$1' is completed to '${offered% }', not '$2'"
}
expect 'cpoa work' 'worker workflow'
expect 'cpoa doctor --' '--help --json'
expect 'cpoa topology ' '--dry-run --help --json apply show'
expect 'cpoa workflow l' 'list'
expect 'cpoa workflow list --st' '--status'
expect 'cpoa workflow list --status comp' 'completed completed_with_errors'
expect 'cpoa events --type pod' 'podcast_generation'
expect 'cpoa enqueue pop' 'popular_categories'
expect 'cpoa help pr' 'prune'
expect 'cpoa nonsense x' ''

# ---- options ------------------------------------------------------------------------------

# Servers that are not there: parsing comes first.
known() { # command option
	local sub
	for sub in '' $(sed -n "s/^\t\t$1) operands='\([^']*\)'.*/\1/p" "$scratch/completion"); do
		# shellcheck disable=SC2086 # an empty one is none
		env -i PATH="$PATH" AMQP_URL=amqp://127.0.0.1:1/ CPOA_HTTP_PORT=1 timeout 20 "$cpoa" "$1" $sub "$2" \
			</dev/null >/dev/null 2>"$scratch/said" || :
		grep -q "is no option of" "$scratch/said" || return 0
	done
	return 1
}
sed -n "s/^\t\t\([a-z]*\) *) operands='[^']*' words='\(.*\)' ;;/\1 \2/p" "$scratch/completion" >"$scratch/options"
[ -s "$scratch/options" ] || complain "no options were found in the completion"
while read -r command options; do
	for option in $options; do
		[ "$option" = --help ] || known "$command" "$option" ||
			complain "cpoa $command --help names $option, which is no option of it"
	done
done <"$scratch/options"
verdict 'The man page and the completion come from the usage of each command (worker/ctl/manual.h): mend that.'
