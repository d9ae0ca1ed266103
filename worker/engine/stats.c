/* stats: the families. Their names are a contract (interface.md §7). */
#include "engine/stats.h"

#include <string.h>

#include "core/gate.h"
#include "engine/ledger.h"
#include "engine/outbox.h"

/* Label sets. The last of each is where the unforeseen is counted. */
static const char *const types[WORKFLOW_COUNT + 1] = {
	"podcast_generation",
	"snippet_generation",
	"search_results_generation",
	"topic_exploration",
	"landing_page_snippets",
	"popular_categories",
	"other",
};
static const char *const statuses[] = {"in_progress", "completed", "completed_with_errors",
				       "failed", "cancelled"};
static const char *const arrivals[] = {"admitted", "duplicate", "refused"};
static const char *const outcomes[] = {"result",   "unreachable", "http",	 "not_json",
				       "reported", "malformed",	  "task_failed", "timed_out"};
static const char *const agent_names[] = {"wcha", "pswa", "vfa", "sca", "iga", "tda"};
static const char *const keepers[] = {"breaker", "rate", "concurrency"};
static const char *const reasons[] = {
	"invalid_json",
	"invalid_job",
	"unknown_type",
	"too_large",
	"unstorable",
	"idempotency_conflict",
	"expired",
	"delivery_limit",
	"queue_full",
	"broker_rejected",
	"crash_loop",
	"failed_wcha_content_harvest",
	"failed_pswa_request_exception",
	"failed_pswa_json_decode",
	"failed_pswa_bad_script_structure",
	"failed_vfa_request_exception",
	"failed_vfa_json_decode",
	"failed_vfa_reported_error",
	"failed_vfa_unknown_status",
	"other",
};
static const double seconds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,	2.5,
				 5,	10,   30,    60,   120, 300,  600, 1800};
static const double sizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define LABEL(name, set)              \
	{                             \
		name, set, COUNT(set) \
	}
#define BUCKETS(b) .buckets = b, .n_buckets = COUNT(b)

_Static_assert(COUNT(statuses) == RUN_STATUSES && COUNT(outcomes) == REPLY_KINDS &&
		       COUNT(agent_names) == AGENT_COUNT && COUNT(keepers) == GATE_KEEPERS,
	       "a label set for every value");

static struct house *the_house;

static int64_t read_limit(void)
{
	return the_house->settings->max_inflight;
}

static int64_t read_outbox(void)
{
	return the_house->outbox ? outbox_pending(the_house->outbox) : 0;
}

static int64_t read_amqp(void)
{
	return atomic_load(&the_house->intake_connected) &&
	       atomic_load(&the_house->outbox_connected);
}

static int64_t read_draining(void)
{
	return atomic_load(&the_house->draining);
}

struct metric m_workflows = {.name = "cpoa_workflows_total",
			     .help = "Workflows that ended.",
			     .kind = METRIC_COUNTER,
			     .labels = {LABEL("type", types), LABEL("status", statuses)}};
struct metric m_workflow_duration = {.name = "cpoa_workflow_duration_seconds",
				     .help = "From the admission of a workflow to its end.",
				     .kind = METRIC_HISTOGRAM,
				     .labels = {LABEL("type", types), LABEL("status", statuses)},
				     BUCKETS(seconds)};
struct metric m_jobs = {.name = "cpoa_jobs_total",
			.help = "Jobs that came from RabbitMQ, by what became of them.",
			.kind = METRIC_COUNTER,
			.labels = {LABEL("type", types), LABEL("outcome", arrivals)}};
struct metric m_job_wait = {
	.name = "cpoa_job_wait_seconds",
	.help = "From a job's timestamp to its admission, by the clocks of both.",
	.kind = METRIC_HISTOGRAM,
	.labels = {LABEL("type", types)},
	BUCKETS(seconds)};
struct metric m_calls = {.name = "cpoa_calls_total",
			 .help = "Calls of agents that landed.",
			 .kind = METRIC_COUNTER,
			 .labels = {LABEL("agent", agent_names), LABEL("outcome", outcomes)}};
struct metric m_call_duration = {
	.name = "cpoa_call_duration_seconds",
	.help = "From the planning of a call to its landing, with all retries and polls.",
	.kind = METRIC_HISTOGRAM,
	.labels = {LABEL("agent", agent_names), LABEL("outcome", outcomes)},
	BUCKETS(seconds)};
struct metric m_call_retries = {.name = "cpoa_call_retries_total",
				.help = "Submissions after a call's first.",
				.kind = METRIC_COUNTER,
				.labels = {LABEL("agent", agent_names)}};
struct metric m_call_waits = {.name = "cpoa_call_waits_total",
			      .help = "Requests that were made to wait, by what kept them.",
			      .kind = METRIC_COUNTER,
			      .labels = {LABEL("agent", agent_names), LABEL("reason", keepers)}};
struct metric m_breaker = {.name = "cpoa_agent_breaker_state",
			   .help = "0: the agent is asked; 1: tried; 2: left alone.",
			   .kind = METRIC_GAUGE,
			   .labels = {LABEL("agent", agent_names)}};
struct metric m_inflight = {.name = "cpoa_inflight",
			    .help = "Workflows held by this worker.",
			    .kind = METRIC_GAUGE,
			    .labels = {LABEL("type", types)}};
static struct metric m_inflight_limit = {.name = "cpoa_inflight_limit",
					 .help = "CPOA_MAX_INFLIGHT.",
					 .kind = METRIC_GAUGE,
					 .read = read_limit};
struct metric m_dead_letters = {.name = "cpoa_dead_letters_total",
				.help = "Dead letters written, by reason.",
				.kind = METRIC_COUNTER,
				.labels = {LABEL("type", types), LABEL("reason", reasons)}};
struct metric m_rescued = {.name = "cpoa_rescued_total",
			   .help = "Workflows taken over from other workers.",
			   .kind = METRIC_COUNTER};
struct metric m_fenced = {.name = "cpoa_fenced_total",
			  .help = "Workflows given up because this worker's lease was gone.",
			  .kind = METRIC_COUNTER};
struct metric m_ledger_commits = {.name = "cpoa_ledger_commits_total",
				  .help = "Transactions committed by the ledger.",
				  .kind = METRIC_COUNTER};
struct metric m_ledger_batch = {.name = "cpoa_ledger_batch_size",
				.help = "Changes in a transaction.",
				.kind = METRIC_HISTOGRAM,
				BUCKETS(sizes)};
static struct metric m_outbox = {.name = "cpoa_outbox_pending",
				 .help = "Events in hand, not yet confirmed by the broker.",
				 .kind = METRIC_GAUGE,
				 .read = read_outbox};
struct metric m_progress_untold = {
	.name = "cpoa_progress_untold_total",
	.help = "Progress events left out because others were waiting for the broker.",
	.kind = METRIC_COUNTER,
	.labels = {LABEL("type", types)}};
static struct metric m_amqp = {.name = "cpoa_amqp_connected",
			       .help = "1: both connections to RabbitMQ stand.",
			       .kind = METRIC_GAUGE,
			       .read = read_amqp};
struct metric m_db_connected = {.name = "cpoa_db_connected",
				.help = "1: the PostgreSQL session stands and holds a lease.",
				.kind = METRIC_GAUGE};
struct metric m_spans_exported = {.name = "cpoa_spans_exported_total",
				  .help = "Spans that the trace collector has taken.",
				  .kind = METRIC_COUNTER};
struct metric m_spans_dropped = {
	.name = "cpoa_spans_dropped_total",
	.help = "Spans that were dropped: the trace collector did not take them.",
	.kind = METRIC_COUNTER};
static struct metric m_draining = {.name = "cpoa_draining",
				   .help = "1: nothing new is taken.",
				   .kind = METRIC_GAUGE,
				   .read = read_draining};
static const char *const build_version[] = {CPOA_VERSION};
static const char *const build_commit[] = {CPOA_COMMIT};
static struct metric m_build = {
	.name = "cpoa_build_info",
	.help = "Always 1; the labels say what runs.",
	.kind = METRIC_GAUGE,
	.labels = {LABEL("version", build_version), LABEL("commit", build_commit)}};

static struct metric *const families[] = {
	&m_jobs,	   &m_workflows,       &m_workflow_duration,
	&m_job_wait,	   &m_calls,	       &m_call_duration,
	&m_call_retries,   &m_inflight,	       &m_inflight_limit,
	&m_dead_letters,   &m_rescued,	       &m_fenced,
	&m_ledger_commits, &m_ledger_batch,    &m_outbox,
	&m_amqp,	   &m_db_connected,    &m_draining,
	&m_build,	   &m_progress_untold, &m_spans_exported,
	&m_spans_dropped,  &m_call_waits,      &m_breaker,
};

void stats_setup(struct house *house)
{
	the_house = house;
	metrics_setup(families, COUNT(families));
	metric_set(&m_build, 0, 0, 1);
}

void stats_release(void)
{
	metrics_release(families, COUNT(families));
}

void stats_print(struct strbuf *out)
{
	metrics_print(families, COUNT(families), 1, out);
}

size_t stats_reason(const char *reason)
{
	size_t i = 0;

	while (i < COUNT(reasons) - 1 && strcmp(reason, reasons[i]) != 0)
		i++;
	return i;
}

void stats_ended(const struct run *run)
{
	size_t type = run->job.workflow->index, status = run->change.status;

	metric_add(&m_workflows, type, status, 1);
	metric_observe(&m_workflow_duration, type, status, run->now_us - run->started_us);
	if (run->change.reason)
		metric_add(&m_dead_letters, type, stats_reason(run->change.reason), 1);
}

void stats_landed(const struct call *call)
{
	size_t agent = call->agent->index, outcome = call->reply.kind;

	metric_add(&m_calls, agent, outcome, 1);
	metric_observe(&m_call_duration, agent, outcome, call->landed_us - call->planned_us);
}
