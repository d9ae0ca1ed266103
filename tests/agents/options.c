/*
 * options.c - what can be set, at start and by POST /control: one table for both
 *
 * An option "latency-pswa" of the command line is the member "latency_pswa" of /control.
 */
#include "standin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
	ERROR_MAX = 160,
	NAME_MAX_LEN = 40,
	LATENCY_MS_MAX = 86400000,
	POLLS_MAX = 1000000,
	URL_MAX = 8000
};

struct option {
	const char *name;
	const char *argument; /* for the help */
	const char *help;
	bool (*set)(struct options *options, const char *value, char error[ERROR_MAX]);
	bool control; /* POST /control may change it */
};

static bool fail(char error[ERROR_MAX], const char *expected, const char *value)
{
	(void)snprintf(error, ERROR_MAX, "%s expected, not \"%.40s\"", expected, value);
	return false;
}

static bool parse_number(const char *value, long max, long *number)
{
	char *end = NULL;
	long parsed;

	errno = 0;
	parsed = strtol(value, &end, 10);
	if (end == value || *end || errno || parsed < 0 || parsed > max)
		return false;
	*number = parsed;
	return true;
}

static bool set_port(struct options *o, const char *value, char error[ERROR_MAX])
{
	return parse_number(value, 65535, &o->port) || fail(error, "a port", value);
}

static bool set_bind(struct options *o, const char *value, char error[ERROR_MAX])
{
	struct in_addr address;

	o->bind = value; /* argv lives as long as we do */
	return inet_pton(AF_INET, value, &address) == 1 || fail(error, "an IPv4 address", value);
}

static bool set_style(struct options *o, const char *value, char error[ERROR_MAX])
{
	static const char *const names[] = {
		[STYLE_SYNC] = "sync", [STYLE_ASYNC] = "async", [STYLE_MIXED] = "mixed"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			o->style = (enum style)i;
			return true;
		}
	}
	return fail(error, "sync, async or mixed", value);
}

static bool set_latency(struct options *o, const char *value, char error[ERROR_MAX])
{
	return parse_number(value, LATENCY_MS_MAX, &o->latency_ms) ||
	       fail(error, "milliseconds", value);
}

static bool set_polls(struct options *o, const char *value, char error[ERROR_MAX])
{
	return parse_number(value, POLLS_MAX, &o->polls) || fail(error, "a number of polls", value);
}

static bool set_audio_dir(struct options *o, const char *value, char error[ERROR_MAX])
{
	/* An absolute path: the agents' readers need not share our working directory. */
	char *path = realpath(value, NULL);

	if (!path)
		return fail(error, "a directory that exists", value);
	free(o->audio_dir);
	o->audio_dir = path;
	return true;
}

static bool set_log(struct options *o, const char *value, char error[ERROR_MAX])
{
	o->log = fopen(value, "a");
	return o->log || fail(error, "a file that can be written", value);
}

static bool set_fault(struct options *o, const char *value, char error[ERROR_MAX])
{
	if (o->fault_n == FAULTS_MAX)
		return fail(error, "no more faults", value);
	if (!fault_parse(value, &o->faults[o->fault_n], error))
		return false;
	o->fault_n++;
	return true;
}

static bool set_evil_status_url(struct options *o, const char *value, char error[ERROR_MAX])
{
	if (strlen(value) > URL_MAX)
		return fail(error, "a shorter URL", value);
	free(o->evil_status_url);
	o->evil_status_url = *value ? xstrdup(value) : NULL;
	return true;
}

static bool set_seed(struct options *o, const char *value, char error[ERROR_MAX])
{
	long seed;

	if (!parse_number(value, LONG_MAX, &seed))
		return fail(error, "a number", value);
	o->seed = (unsigned long)seed;
	return true;
}

static bool set_record(struct options *o, const char *value, char error[ERROR_MAX])
{
	return parse_number(value, LONG_MAX, &o->record_max) || fail(error, "a number", value);
}

static bool set_remember(struct options *o, const char *value, char error[ERROR_MAX])
{
	return parse_number(value, LONG_MAX, &o->remember_max) || fail(error, "a number", value);
}

static bool set_retry_after(struct options *o, const char *value, char error[ERROR_MAX])
{
	if (strcmp(value, "-1") == 0) {
		o->retry_after = -1;
		return true;
	}
	return parse_number(value, LATENCY_MS_MAX, &o->retry_after) ||
	       fail(error, "seconds", value);
}

static bool set_asf_status(struct options *o, const char *value, char error[ERROR_MAX])
{
	return parse_number(value, 599, &o->asf_status) || fail(error, "an HTTP status", value);
}

static bool set_asf_stuck(struct options *o, const char *value, char error[ERROR_MAX])
{
	if (strlen(value) > URL_MAX)
		return fail(error, "a shorter client", value);
	free(o->asf_stuck);
	o->asf_stuck = *value ? xstrdup(value) : NULL;
	return true;
}

static bool set_asf_journal(struct options *o, const char *value, char error[ERROR_MAX])
{
	(void)error;
	free(o->asf_journal);
	o->asf_journal = xstrdup(value);
	return true;
}

static bool set_collector(struct options *o, const char *value, char error[ERROR_MAX])
{
	return parse_number(value, 599, &o->collector) || fail(error, "a status, or 0", value);
}

static const struct option table[] = {
	{"port", "N", "TCP port; 0 (default) takes a free one", set_port, false},
	{"bind", "ADDRESS", "IPv4 address to listen on (default 127.0.0.1)", set_bind, false},
	{"style", "sync|async|mixed", "how POSTs are answered (default sync)", set_style, true},
	{"latency", "MS", "every agent's thinking time (default 0)", set_latency, true},
	{"latency-AGENT", "MS", "one agent's, as --latency-pswa 500 (-1: as all)", NULL, true},
	{"polls", "N", "a task's result comes with its Nth poll at the soonest (default 0)",
	 set_polls, true},
	{"audio-dir", "DIR", "VFA speaks the script into DIR/<stream_id>.wav", set_audio_dir,
	 false},
	{"log", "FILE", "append a line for every request", set_log, false},
	{"fault", "[AGENT:]KIND=RATE", "misbehave; may be given many times", set_fault, false},
	{"evil-status-url", "URL", "202 answers carry this status_url", set_evil_status_url, true},
	{"retry-after", "S", "503 and 409 carry Retry-After: S (-1: none)", set_retry_after, true},
	{"asf-status", "N", "the ASF answers this in place of its own (default 0: its own)",
	 set_asf_status, true},
	{"asf-stuck", "CLIENT", "the ASF never answers updates for this client", set_asf_stuck,
	 true},
	{"asf-journal", "FILE", "what the ASF has taken is appended to this file", set_asf_journal,
	 false},
	{"collector", "STATUS", "of POST /v1/traces (default 200); 0: no answer", set_collector,
	 true},
	{"seed", "N", "of the dice that faults with a rate throw (default 1)", set_seed, true},
	{"record", "N", "requests that /calls keeps (default 100000)", set_record, true},
	{"remember", "N", "results kept for their keys (default 200000)", set_remember, true},
};

static bool set_agent_latency(struct options *o, const struct agent *agent, const char *value,
			      char error[ERROR_MAX])
{
	long *latency_ms = &o->agent_latency_ms[agent->id];

	if (strcmp(value, "-1") == 0) {
		*latency_ms = -1;
		return true;
	}
	return parse_number(value, LATENCY_MS_MAX, latency_ms) ||
	       fail(error, "milliseconds or -1", value);
}

/* Options of the command line and members of /control become the same: "-" for "_". */
static bool set_by_name(struct options *options, const char *given, const char *value, bool control,
			char error[ERROR_MAX])
{
	const struct agent *agent;
	char name[NAME_MAX_LEN];
	size_t len;

	for (len = 0; given[len] && len < sizeof(name) - 1; len++) {
		name[len] = given[len];
		if (name[len] == '_')
			name[len] = '-';
	}
	name[len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct option *option = &table[i];

		if (option->set && strcmp(name, option->name) == 0 && (option->control || !control))
			return option->set(options, value, error);
	}
	agent = strncmp(name, "latency-", 8) == 0 ? agent_by_name(name + 8, len - 8) : NULL;
	if (agent)
		return set_agent_latency(options, agent, value, error);
	(void)snprintf(error, ERROR_MAX, "no option \"%.40s\"", given);
	return false;
}

static void print_help(FILE *out)
{
	(void)fprintf(out, "usage: cpoa-agents [options]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char option[64];

		(void)snprintf(option, sizeof(option), "--%s %s", table[i].name, table[i].argument);
		(void)fprintf(out, "  %-29s %s\n", option, table[i].help);
	}
	(void)fprintf(out, "\nSee tests/agents/README.md for routes, faults and scenarios.\n");
}

static void options_init(struct options *options)
{
	*options = (struct options){
		.bind = "127.0.0.1",
		.record_max = 100000,
		.remember_max = 200000,
		.seed = 1,
		.retry_after = -1,
		.collector = 200,
	};
	for (size_t i = 0; i < AGENT_N; i++)
		options->agent_latency_ms[i] = -1;
}

bool options_parse(struct options *options, int argc, char **argv)
{
	char error[ERROR_MAX] = "";

	options_init(options);
	for (int i = 1; i < argc; i++) {
		char name[NAME_MAX_LEN];
		const char *value = strchr(argv[i], '=');
		size_t len = value ? (size_t)(value - argv[i]) : strlen(argv[i]);

		if (strcmp(argv[i], "--help") == 0) {
			print_help(stderr);
			return false;
		}
		if (strncmp(argv[i], "--", 2) != 0 || len - 2 >= sizeof(name)) {
			(void)fprintf(stderr, "cpoa-agents: what is \"%s\"? See --help\n", argv[i]);
			return false;
		}
		memcpy(name, argv[i] + 2, len - 2);
		name[len - 2] = '\0';
		value = value ? value + 1 : argv[++i]; /* argv ends with NULL */
		if (!value) {
			(void)fprintf(stderr, "cpoa-agents: --%s: a value expected\n", name);
			return false;
		}
		if (!set_by_name(options, name, value, false, error)) {
			(void)fprintf(stderr, "cpoa-agents: --%s: %s\n", name, error);
			return false;
		}
	}
	return true;
}

static bool control_faults(struct options *options, struct json_object *faults,
			   char error[ERROR_MAX])
{
	if (!json_object_is_type(faults, json_type_array))
		return fail(error, "an array of faults", json_object_to_json_string(faults));
	options->fault_n = 0;
	for (size_t i = 0; i < json_object_array_length(faults); i++) {
		struct json_object *fault = json_object_array_get_idx(faults, i);

		if (!json_object_is_type(fault, json_type_string))
			return fail(error, "a fault", json_object_to_json_string(fault));
		if (!set_fault(options, json_object_get_string(fault), error))
			return false;
	}
	return true;
}

bool options_control(struct options *options, struct json_object *changes, char error[ERROR_MAX])
{
	struct options changed = *options;
	struct json_object_iterator at = json_object_iter_begin(changes);
	struct json_object_iterator end = json_object_iter_end(changes);
	bool ok = true;

	/* The copy owns its texts until it is clear which of the two is kept. */
	changed.evil_status_url =
		options->evil_status_url ? xstrdup(options->evil_status_url) : NULL;
	changed.asf_stuck = options->asf_stuck ? xstrdup(options->asf_stuck) : NULL;
	for (; ok && !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		struct json_object *value = json_object_iter_peek_value(&at);

		if (strcmp(name, "faults") == 0)
			ok = control_faults(&changed, value, error);
		else if (value)
			ok = set_by_name(&changed, name, json_object_get_string(value), true,
					 error);
		else
			ok = fail(error, "a value", name);
	}
	if (ok) {
		free(options->evil_status_url);
		free(options->asf_stuck);
		*options = changed;
	} else {
		free(changed.evil_status_url);
		free(changed.asf_stuck);
	}
	return ok;
}

void options_release(struct options *options)
{
	free(options->evil_status_url);
	free(options->asf_stuck);
	free(options->asf_journal);
	free(options->audio_dir);
	if (options->log)
		(void)fclose(options->log);
	*options = (struct options){0};
}

long options_latency_ms(const struct options *options, const struct agent *agent)
{
	long own = options->agent_latency_ms[agent->id];

	return own >= 0 ? own : options->latency_ms;
}
