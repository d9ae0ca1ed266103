# shellcheck shell=bash
# shellcheck disable=SC2034 # run.sh reads what is set here
# The agents of the benchmark, for run.sh: the stand-ins, or an nginx that knows one answer a route.

: "${run:?}" "${bin:?}" # folders: what is written, what was built
agents_pid= # of what serves them now
agents=     # its URL
counts=() # bench_load's option for one that counts calls

# Starts stand-ins|nginx; options of the stand-ins may follow.
start_agents() {
	local who=$1
	shift
	stop_agents
	if [ "$who" = nginx ]; then
		start_nginx
	else
		start_stand_ins "$@"
	fi
	export WCHA_SERVICE_BASE_URL=$agents
	export PSWA_SERVICE_URL=$agents/v1/weave_script
	export VFA_SERVICE_URL=$agents/v1/forge_voice
	export TDA_SERVICE_URL=$agents/discover_topics
	export SCA_SERVICE_URL=$agents/craft_snippet
	export IGA_SERVICE_URL=$agents
}

# Seconds between polls, and for one submission.
agent_times() {
	local a
	for a in WCHA PSWA VFA TDA SCA IGA; do
		export "CPOA_${a}_POLLING_INTERVAL_SECONDS=$1" "CPOA_${a}_SUBMIT_TIMEOUT_SECONDS=$2"
	done
}

stop_agents() {
	[ -z "$agents_pid" ] || end "$agents_pid"
	agents_pid=
}

# Nothing is recorded or remembered that needs not be.
start_stand_ins() {
	local tries=100
	: >"$run/agents.log"
	setpriv --pdeathsig KILL "$bin/cpoa-agents" --port 0 --record 0 --remember 0 "$@" \
		</dev/null >"$run/agents.log" 2>&1 8>&- &
	agents_pid=$!
	until grep -q '^cpoa-agents listening on http' "$run/agents.log"; do
		if [ $((tries--)) = 0 ] || ! kill -0 "$agents_pid" 2>/dev/null; then
			fail "the stand-ins do not start" "$run/agents.log"
		fi
		sleep 0.05
	done
	agents=$(sed -n 's/^cpoa-agents listening on \(http[^ ]*\).*/\1/p' "$run/agents.log")
	counts=(--agents "$agents")
}

# ---- nginx --------------------------------------------------------------------------------

# What the stand-ins answered in the warm-up is what nginx answers from now on.
take_answers() {
	local to=$run/nginx/answers
	rm -rf "$run/nginx"
	mkdir -p "$to/v1" "$run/nginx/tmp"
	take_answer WCHA >"$to/harvest"
	take_answer PSWA >"$to/v1/weave_script"
	take_answer VFA >"$to/v1/forge_voice"
	take_answer TDA_Search >"$to/discover_topics"
	# These have an id, which is a row's, and must not be the same each time.
	take_answer SCA | sed "s/'/\\\\'/g; s/snippet_[0-9a-f]\{12,\}/snippet_\$request_id/g" >"$run/nginx/snippet"
	take_answer IGA | sed "s/'/\\\\'/g; s/cover_[0-9a-f]\{12,\}/cover_\$request_id/g" >"$run/nginx/image"
}

take_answer() {
	query "SELECT reply -> 'body' FROM task_instances WHERE agent_name = '$1' AND status = 'completed' LIMIT 1" |
		grep . || fail "the warm-up has left no answer of $1"
}

# One process; its port may be taken between our look and its bind.
start_nginx() {
	local port try tries
	counts=()
	for try in 1 2 3 4 5; do
		port=$(tests/servers.sh port)
		nginx_conf "$port" >"$run/nginx/nginx.conf"
		setpriv --pdeathsig KILL nginx -p "$run/nginx" -c nginx.conf -e error.log </dev/null >"$run/agents.log" 2>&1 8>&- &
		agents_pid=$!
		agents=http://127.0.0.1:$port
		for ((tries = 100; tries > 0; tries--)); do
			kill -0 "$agents_pid" 2>/dev/null || continue 2
			[ ! -s "$run/nginx/pid" ] || [ "$(<"$run/nginx/pid")" != "$agents_pid" ] || return 0
			sleep 0.05
		done
	done
	fail "nginx does not start, $try times" "$run/agents.log"
}

# A file has no POST: the refusal is handed the file. Answers come from memory, as header and body in one go.
nginx_conf() {
	local hard
	hard=$(ulimit -n)
	cat <<-EOF
		daemon off;
		master_process off;
		pid pid;
		worker_rlimit_nofile $hard;
		events {
			worker_connections $((hard - 100));
			multi_accept on;
		}
		http {
			access_log off;
			client_body_temp_path tmp;
			proxy_temp_path tmp;
			fastcgi_temp_path tmp;
			uwsgi_temp_path tmp;
			scgi_temp_path tmp;
			default_type application/json;
			client_max_body_size 4m;
			client_header_buffer_size 32k;
			keepalive_timeout 1h;
			keepalive_requests 1000000000;
			open_file_cache max=16 inactive=1h;
			open_file_cache_valid 1h;
			sendfile off;
			server {
				listen 127.0.0.1:$1 backlog=4096;
				root answers;
				error_page 405 =200 \$uri;
				location = /craft_snippet {
					return 200 '$(<"$run/nginx/snippet")';
				}
				location = /generate_image {
					return 200 '$(<"$run/nginx/image")';
				}
			}
		}
	EOF
}
