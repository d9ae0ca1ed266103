/*
 * settings: every option of interface.md §2, in one table (settings.c). Read once at the start;
 * secrets stay in here.
 */
#ifndef ENGINE_SETTINGS_H
#define ENGINE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cpoa/db.h"
#include "cpoa/err.h"
#include "cpoa/mq.h"

#include "agents/agents.h"
#include "core/breaker.h"
#include "core/policy.h"
#include "harvest/harvest.h"
#include "workflows/workflows.h"

struct agent_settings {
	char *url;
	int64_t submit_timeout_us, interval_us, total_us;
	int64_t max_concurrent; /* 0: no limit */
	double max_per_second;	/* the same */
};

struct settings {
	char *amqp_url, *amqp_ca_file, *amqp_cert_file, *amqp_key_file;
	int database_type;
	char *database_url, *pg_host, *pg_user, *pg_password, *pg_dbname, *pg_sslmode,
		*pg_sslrootcert;
	int64_t pg_port;
	struct agent_settings agent[AGENT_COUNT];
	char *agents_ca_file;
	char *asf_notification_url, *asf_ui_url, *asf_websocket_url;
	int64_t retries;
	double backoff_factor_s;
	int64_t breaker_failures, breaker_span_us, breaker_pause_us, breaker_pause_max_us;
	char *workflows;
	int64_t max_inflight, threads, max_claims;
	int64_t lease_us, rescue_us, drain_us;
	int64_t http_port;
	char *http_bind;
	bool declare_topology;
	int log_level, log_format;
	char *otlp_url, *otlp_traces_url, *otlp_headers, *otlp_ca_file, *otel_service,
		*otel_resource; /* engine/otel.h */
	int64_t otlp_timeout_ms;
	char *search_url, *user_agent, *allow_hosts;
	int64_t search_max, harvest_timeout_us, content_min, content_max, body_max;

	/* derived */
	bool runs[WORKFLOW_COUNT]; /* which types this worker consumes */
};

/*
 * Reads `.env` and the environment, from which secrets are gone then; prints warnings of unknown
 * variables to stderr. False (ERR_USAGE): the text names the variable, the value and the bounds.
 */
MUST_CHECK bool settings_load(struct settings *s, struct err *e);

/* The same with the warnings for the caller, a sentence a line. */
enum { SETTINGS_WARNINGS_MAX = 64 << 10 };
MUST_CHECK bool settings_read(struct settings *s, struct strbuf *warnings, struct err *e);
void settings_release(struct settings *s);
void settings_help(FILE *out);
/* Each option, as conf_each() tells it. */
void settings_each(void (*row)(void *ctx, const char *name, const char *standard,
			       const char *bounds, const char *help),
		   void *ctx);

/* What the parts need of them; all point into `s`. */
void settings_policy(const struct settings *s, struct policy *policy);
struct breaker_policy settings_breaker(const struct settings *s);
struct harvest_options settings_harvest(const struct settings *s);
struct db_options settings_db(const struct settings *s);
struct mq_options settings_mq(const struct settings *s, const char *name);

#endif
