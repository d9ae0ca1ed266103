#!/bin/sh
# Whether every shell script parses, is executable, and pleases shellcheck (where that is installed).
set -eu
. tests/lint/common.sh

checker=
command -v shellcheck >/dev/null && checker=shellcheck
for script in $(sources '*.sh' .ci/run); do
	first=$(sed -n 1p "$script")
	case $first in
	'#!/bin/sh'*) shell='sh -n' ;;
	'#!/bin/bash'* | '#!/usr/bin/env bash'*) shell='bash -n' ;;
	'#!'*) continue ;;
	'# shellcheck shell=sh' | '# shellcheck shell=bash') shell= ;; # sourced
	*)
		complain "$script: the first line names no shell"
		continue
		;;
	esac
	${shell:-${first#*=} -n} "$script" || bad=1
	[ -z "$shell" ] || [ -x "$script" ] || complain "$script: is not executable"
	[ -z "$checker" ] || $checker -x "$script" || bad=1
done
verdict 'Mend the scripts; a finding of shellcheck that is wrong is switched off where it stands, with the reason.'
