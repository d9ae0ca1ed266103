/* settings: the table of options. To add one: a member in settings.h and a row here; help and
 * checks follow from it. */
#include "engine/settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpoa/conf.h"
#include "cpoa/http.h"
#include "cpoa/strbuf.h"

#include "core/rate.h"
#include "harvest/search.h"

static const char *const database_types[] = {"postgres", NULL};
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"json", "text", NULL};

#define AT(member) offsetof(struct settings, member)

/* The waiting times of an agent (agents.md §2.0): all are the same but for the defaults. */
/* clang-format off */
#define AGENT_TIMES(NAME, index, submit, interval, total) \
	{"CPOA_" NAME "_SUBMIT_TIMEOUT_SECONDS", CONF_SECONDS, submit, 0.01, 86400, NULL, \
	 AT(agent[index].submit_timeout_us), "one request that submits work to " NAME}, \
	{"CPOA_" NAME "_POLLING_INTERVAL_SECONDS", CONF_SECONDS, interval, 0.001, 3600, NULL, \
	 AT(agent[index].interval_us), "between two polls of a task of " NAME}, \
	{"CPOA_" NAME "_POLLING_TIMEOUT_SECONDS", CONF_SECONDS, total, 0.01, 604800, NULL, \
	 AT(agent[index].total_us), "a call of " NAME " with all its retries and polls"}, \
	{"CPOA_" NAME "_MAX_CONCURRENT", CONF_INT, "0", 0, 1000000, NULL, \
	 AT(agent[index].max_concurrent), "requests to " NAME " at once from this worker; 0: no limit"}, \
	{"CPOA_" NAME "_MAX_PER_SECOND", CONF_FLOAT, "0", 0, RATE_MAX, NULL, \
	 AT(agent[index].max_per_second), "requests that submit work to " NAME " in a second from this worker; 0: no limit"}

static const struct conf_option table[] = {
	{"AMQP_URL", CONF_SECRET, "amqp://guest:guest@localhost:5672/", 0, 0, NULL, AT(amqp_url), "RabbitMQ; amqps:// for TLS"},
	{"AMQP_CA_FILE", CONF_TEXT, "", 0, 0, NULL, AT(amqp_ca_file), "CA certificates for amqps://; empty: the system's"},
	{"AMQP_CERT_FILE", CONF_TEXT, "", 0, 0, NULL, AT(amqp_cert_file), "client certificate for amqps://"},
	{"AMQP_KEY_FILE", CONF_TEXT, "", 0, 0, NULL, AT(amqp_key_file), "key of the client certificate"},

	{"DATABASE_TYPE", CONF_ENUM, "postgres", 0, 0, database_types, AT(database_type), "only postgres"},
	{"DATABASE_URL", CONF_SECRET, "", 0, 0, NULL, AT(database_url), "PostgreSQL as a URL, in place of the POSTGRES_ variables"},
	{"POSTGRES_HOST", CONF_TEXT, "", 0, 0, NULL, AT(pg_host), "PostgreSQL's host"},
	{"POSTGRES_PORT", CONF_INT, "5432", 1, 65535, NULL, AT(pg_port), "its port"},
	{"POSTGRES_USER", CONF_TEXT, "", 0, 0, NULL, AT(pg_user), "user"},
	{"POSTGRES_PASSWORD", CONF_SECRET, "", 0, 0, NULL, AT(pg_password), "password"},
	{"POSTGRES_DB", CONF_TEXT, "", 0, 0, NULL, AT(pg_dbname), "database"},
	{"POSTGRES_SSLMODE", CONF_TEXT, "", 0, 0, NULL, AT(pg_sslmode), "libpq's sslmode; empty: verify-full with POSTGRES_SSLROOTCERT, else libpq's default, prefer, which verifies nothing"},
	{"POSTGRES_SSLROOTCERT", CONF_TEXT, "", 0, 0, NULL, AT(pg_sslrootcert), "CA certificates of PostgreSQL; empty: the system's, for a mode that verifies"},

	{"WCHA_SERVICE_BASE_URL", CONF_URL, "", 0, 0, NULL, AT(agent[AGENT_WCHA].url), "WCHA as a service, /harvest is appended; empty: harvest in process"},
	{"PSWA_SERVICE_URL", CONF_URL, "http://localhost:5004/weave_script", 0, 0, NULL, AT(agent[AGENT_PSWA].url), "PSWA"},
	{"VFA_SERVICE_URL", CONF_URL, "http://localhost:5005/forge_voice", 0, 0, NULL, AT(agent[AGENT_VFA].url), "VFA"},
	{"SCA_SERVICE_URL", CONF_URL, "http://localhost:5002/craft_snippet", 0, 0, NULL, AT(agent[AGENT_SCA].url), "SCA"},
	{"IGA_SERVICE_URL", CONF_URL, "http://localhost:5007", 0, 0, NULL, AT(agent[AGENT_IGA].url), "IGA; /generate_image is appended"},
	{"TDA_SERVICE_URL", CONF_URL, "http://localhost:5000/discover_topics", 0, 0, NULL, AT(agent[AGENT_TDA].url), "TDA"},
	{"CPOA_AGENTS_CA_FILE", CONF_TEXT, "", 0, 0, NULL, AT(agents_ca_file), "CA certificates for agents at https://; empty: the system's"},
	{"ASF_NOTIFICATION_URL", CONF_URL, "http://localhost:5006/asf/internal/notify_new_audio", 0, 0, NULL, AT(asf_notification_url), "where asf-bridge tells of new audio"},
	{"CPOA_ASF_SEND_UI_UPDATE_URL", CONF_URL, "http://localhost:5006/asf/internal/send_ui_update", 0, 0, NULL, AT(asf_ui_url), "where asf-bridge sends updates for users"},
	{"ASF_WEBSOCKET_BASE_URL", CONF_TEXT, "ws://localhost:5006/api/v1/podcasts/stream", 0, 0, NULL, AT(asf_websocket_url), "what asf_websocket_url begins with"},

	{"CPOA_SERVICE_RETRY_COUNT", CONF_INT, "3", 0, 100, NULL, AT(retries), "retries of a request after the first attempt"},
	{"CPOA_SERVICE_RETRY_BACKOFF_FACTOR", CONF_FLOAT, "0.5", 0, 60, NULL, AT(backoff_factor_s), "seconds; attempt n waits about factor*2^n"},
	{"CPOA_BREAKER_FAILURES", CONF_INT, "20", 0, 1000000, NULL, AT(breaker_failures), "failed requests in a row, of several workflows, after which an agent is left alone for a while; 0: never"},
	{"CPOA_BREAKER_SECONDS", CONF_SECONDS, "10", 0, 3600, NULL, AT(breaker_span_us), "how long they must have failed"},
	{"CPOA_BREAKER_PAUSE_SECONDS", CONF_SECONDS, "1", 0.01, 3600, NULL, AT(breaker_pause_us), "until one request tries it again; doubled each time that it fails"},
	{"CPOA_BREAKER_PAUSE_MAX_SECONDS", CONF_SECONDS, "30", 0.01, 3600, NULL, AT(breaker_pause_max_us), "the longest of these pauses"},
	AGENT_TIMES("WCHA", AGENT_WCHA, "30", "10", "300"),
	AGENT_TIMES("PSWA", AGENT_PSWA, "30", "5", "600"),
	AGENT_TIMES("VFA", AGENT_VFA, "30", "5", "300"),
	AGENT_TIMES("SCA", AGENT_SCA, "30", "3", "180"),
	AGENT_TIMES("IGA", AGENT_IGA, "30", "5", "240"),
	AGENT_TIMES("TDA", AGENT_TDA, "30", "5", "180"),
	{"WCHA_SEARCH_URL", CONF_URL, "https://html.duckduckgo.com/html/?q={query}", 0, 0, NULL, AT(search_url), "{query} is replaced; DuckDuckGo's HTML page or SearXNG's JSON"},
	{"WCHA_SEARCH_MAX_RESULTS", CONF_INT, "3", 1, SEARCH_RESULTS_MAX, NULL, AT(search_max), "pages that are harvested for a topic"},
	{"WCHA_REQUEST_TIMEOUT", CONF_SECONDS, "10", 0.01, 600, NULL, AT(harvest_timeout_us), "the search's request, and each page with its redirects"},
	{"WCHA_USER_AGENT", CONF_TEXT, "AethercastContentHarvester/" CPOA_VERSION, 0, 0, NULL, AT(user_agent), "what the harvest calls itself"},
	{"WCHA_MIN_CONTENT_LENGTH", CONF_INT, "150", 0, 1000000, NULL, AT(content_min), "characters; a page with less text is dropped"},
	{"WCHA_MAX_BODY_BYTES", CONF_BYTES, "4MiB", 1024, 67108864, NULL, AT(body_max), "of a page, unpacked; one with more is dropped"},
	{"WCHA_ALLOW_HOSTS", CONF_TEXT, "", 0, 0, NULL, AT(allow_hosts), "host[:port] with commas: may be harvested at addresses that are not public"},
	{"WCHA_MAX_CONTENT_LENGTH", CONF_INT, "50000", 100, 1000000, NULL, AT(content_max), "bytes of harvested text that PSWA is given"},

	{"CPOA_WORKFLOWS", CONF_TEXT, "all", 0, 0, NULL, AT(workflows), "comma-separated types that this worker consumes"},
	{"CPOA_MAX_INFLIGHT", CONF_INT, "256", 1, 1000000, NULL, AT(max_inflight), "workflows held at once by this worker"},
	{"CPOA_WORKER_THREADS", CONF_INT, "0", 0, 256, NULL, AT(threads), "pool threads; 0: number of cores"},
	{"CPOA_MAX_CLAIMS", CONF_INT, "5", 1, 1000, NULL, AT(max_claims), "a workflow whose workers died this many times is parked"},
	{"CPOA_LEASE_SECONDS", CONF_SECONDS, "10", 1, 3600, NULL, AT(lease_us), "silence after which PostgreSQL ends a worker's claims"},
	{"CPOA_RESCUE_INTERVAL_SECONDS", CONF_SECONDS, "0.5", 0.05, 60, NULL, AT(rescue_us), "how often orphans are looked for"},
	{"CPOA_DRAIN_SECONDS", CONF_SECONDS, "60", 0, 86400, NULL, AT(drain_us), "after SIGTERM, for what is in flight"},
	{"CPOA_HTTP_PORT", CONF_INT, "9090", 0, 65535, NULL, AT(http_port), "/livez /readyz /metrics /version; 0: off"},
	{"CPOA_HTTP_BIND", CONF_TEXT, "0.0.0.0", 0, 0, NULL, AT(http_bind), "the address for it"},
	{"CPOA_DECLARE_TOPOLOGY", CONF_BOOL, "true", 0, 0, NULL, AT(declare_topology), "declare exchanges and queues at the start"},
	{"CPOA_LOG_LEVEL", CONF_ENUM, "info", 0, 0, log_levels, AT(log_level), "debug, info, warn or error"},
	{"CPOA_LOG_FORMAT", CONF_ENUM, "json", 0, 0, log_formats, AT(log_format), "json, or text for people"},

	{"OTEL_EXPORTER_OTLP_ENDPOINT", CONF_URL, "", 0, 0, NULL, AT(otlp_url), "a trace collector that speaks OTLP over HTTP in JSON (port 4318), /v1/traces is appended; empty: no traces are sent"},
	{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", CONF_URL, "", 0, 0, NULL, AT(otlp_traces_url), "the same as a whole address, which goes before it"},
	{"OTEL_EXPORTER_OTLP_HEADERS", CONF_SECRET, "", 0, 0, NULL, AT(otlp_headers), "headers for it: name=value with commas, values percent-encoded"},
	{"OTEL_EXPORTER_OTLP_TIMEOUT", CONF_INT, "10000", 1, 600000, NULL, AT(otlp_timeout_ms), "milliseconds for one request to it"},
	{"OTEL_EXPORTER_OTLP_CERTIFICATE", CONF_TEXT, "", 0, 0, NULL, AT(otlp_ca_file), "CA certificates for a collector at https://; empty: the system's"},
	{"OTEL_SERVICE_NAME", CONF_TEXT, "", 0, 0, NULL, AT(otel_service), "service.name in traces; empty: that of OTEL_RESOURCE_ATTRIBUTES, else cpoa"},
	{"OTEL_RESOURCE_ATTRIBUTES", CONF_TEXT, "", 0, 0, NULL, AT(otel_resource), "what else traces say of this worker: name=value with commas, values percent-encoded"},
};
/* clang-format on */

enum { TABLE_SIZE = sizeof(table) / sizeof(*table) };

/* Which types: "all", or names with commas. */
static bool choose_workflows(struct settings *s, struct err *e)
{
	const char *p = s->workflows;
	bool all = strcmp(p, "all") == 0 || *p == '\0';

	for (int i = 0; i < WORKFLOW_COUNT; i++)
		s->runs[i] = all && workflows[i];
	while (!all && *p) {
		size_t n = strcspn(p, ",");
		int i = 0;

		while (i < WORKFLOW_COUNT &&
		       (strlen(workflow_types[i]) != n || strncmp(p, workflow_types[i], n) != 0))
			i++;
		if (i == WORKFLOW_COUNT || !workflows[i])
			return err_set(e, ERR_USAGE,
				       "CPOA_WORKFLOWS names '%.*s', which this version does not "
				       "run; `cpoa topology show` "
				       "lists the types",
				       (int)(n < 64 ? n : 64), p);
		s->runs[i] = true;
		p += n + (p[n] == ',');
	}
	return true;
}

/* WCHA and IGA are configured by their base address; the path is the same for every installation
 * (agents.md §2.0). */
static void append_path(char **url, const char *path)
{
	struct strbuf sb;
	size_t n = strlen(*url);

	while (n > 0 && (*url)[n - 1] == '/')
		n--;
	if (n == 0)
		return;
	strbuf_init(&sb, 64 << 10);
	strbuf_add(&sb, *url, n);
	strbuf_adds(&sb, path);
	free(*url);
	*url = strbuf_detach(&sb, NULL);
}

static bool check_search(const struct settings *s, struct err *e)
{
	struct http_url url = {0};

	if (!strstr(s->search_url, "{query}"))
		return err_set(e, ERR_USAGE,
			       "WCHA_SEARCH_URL must hold {query} where the topic goes");
	if (!http_url_read(&url, s->search_url, e)) {
		e->class = ERR_USAGE;
		return err_wrap(e, "WCHA_SEARCH_URL");
	}
	/* worker/harvest/guard.h */
	return !url.user_info ||
	       err_set(e, ERR_USAGE,
		       "WCHA_SEARCH_URL holds a user or a password, and a harvest sends none: take "
		       "it out, or put what the search engine wants into the query");
}

/* libcurl would say so with each call. */
static bool check_agents_ca(const struct settings *s, struct err *e)
{
	return !*s->agents_ca_file || access(s->agents_ca_file, R_OK) == 0 ||
	       err_errno(e, ERR_USAGE, errno, "CPOA_AGENTS_CA_FILE: cannot read %s",
			 s->agents_ca_file);
}

bool settings_load(struct settings *s, struct err *e)
{
	AUTO(strbuf_release) struct strbuf warnings;

	strbuf_init(&warnings, SETTINGS_WARNINGS_MAX);
	if (!settings_read(s, &warnings, e))
		return false;
	fputs(warnings.buf, stderr);
	return true;
}

bool settings_read(struct settings *s, struct strbuf *warnings, struct err *e)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	*s = (struct settings){0};
	if (!conf_dotenv(".env", e) || !conf_load(table, TABLE_SIZE, s, "CPOA_", warnings, e))
		return false;
	conf_forget(table, TABLE_SIZE);
	if (s->threads == 0)
		s->threads = cores > 0 ? cores : 1;
	append_path(&s->agent[AGENT_WCHA].url, "/harvest");
	append_path(&s->agent[AGENT_IGA].url, "/generate_image");
	if (choose_workflows(s, e) && check_search(s, e) && check_agents_ca(s, e))
		return true;
	settings_release(s);
	return false;
}

void settings_release(struct settings *s)
{
	conf_release(table, TABLE_SIZE, s);
}

void settings_help(FILE *out)
{
	conf_help(table, TABLE_SIZE, out);
}

void settings_each(void (*row)(void *ctx, const char *name, const char *standard,
			       const char *bounds, const char *help),
		   void *ctx)
{
	conf_each(table, TABLE_SIZE, row, ctx);
}

void settings_policy(const struct settings *s, struct policy *policy)
{
	/* A status page is asked with the originals' own limits (agents.md §2.0). */
	static const int64_t get_timeout_ms[AGENT_COUNT] = {
		[AGENT_WCHA] = 15000, [AGENT_PSWA] = 15000, [AGENT_VFA] = 15000,
		[AGENT_SCA] = 10000,  [AGENT_IGA] = 10000,  [AGENT_TDA] = 10000,
	};

	_Static_assert((int)AGENT_COUNT <= (int)AGENTS_MAX,
		       "policy.agent has room for every agent");
	*policy = (struct policy){
		.retries = (unsigned)s->retries,
		.backoff_ms = (int64_t)(s->backoff_factor_s * 1000),
		.content_max = (size_t)s->content_max,
		.websocket_url = s->asf_websocket_url,
	};
	for (int i = 0; i < AGENT_COUNT; i++)
		policy->agent[i] = (struct agent_policy){
			.url = s->agent[i].url,
			.submit_timeout_ms = s->agent[i].submit_timeout_us / 1000,
			.get_timeout_ms = get_timeout_ms[i],
			.interval_ms = s->agent[i].interval_us / 1000,
			.total_ms = s->agent[i].total_us / 1000,
		};
}

struct breaker_policy settings_breaker(const struct settings *s)
{
	return (struct breaker_policy){
		.failures = (unsigned)s->breaker_failures,
		.span_us = s->breaker_span_us,
		.pause_ms = s->breaker_pause_us / 1000,
		.pause_max_ms = s->breaker_pause_max_us / 1000,
	};
}

struct harvest_options settings_harvest(const struct settings *s)
{
	return (struct harvest_options){
		.search_url = s->search_url,
		.user_agent = s->user_agent,
		.allow_hosts = s->allow_hosts,
		.max_results = (int)s->search_max,
		.timeout_ms = s->harvest_timeout_us / 1000,
		.body_max = (size_t)s->body_max,
		.content_min = (size_t)s->content_min,
		.content_max = (size_t)s->content_max,
		.retries = (unsigned)s->retries,
		.backoff_ms = (int64_t)(s->backoff_factor_s * 1000),
	};
}

struct db_options settings_db(const struct settings *s)
{
	return (struct db_options){
		.url = s->database_url,
		.host = s->pg_host,
		.user = s->pg_user,
		.password = s->pg_password,
		.dbname = s->pg_dbname,
		.port = s->pg_port,
		.sslmode = s->pg_sslmode,
		.sslrootcert = s->pg_sslrootcert,
		.application_name = "cpoa",
		.connect_timeout_s = 5,
	};
}

struct mq_options settings_mq(const struct settings *s, const char *name)
{
	return (struct mq_options){
		.url = s->amqp_url,
		.ca_file = s->amqp_ca_file,
		.cert_file = s->amqp_cert_file,
		.key_file = s->amqp_key_file,
		.name = name,
		.body_max = BODY_MAX,
		.connect_timeout_ms = 5000,
	};
}
