/* stats: the families. */
#include "bridge/stats.h"

static const char *const fates[EVENT_FATES] = {"passed_on", "nothing_for_asf", "unreadable"};
static const char *const kinds[BRIDGE_KINDS] = {"stream", "ui", "rebuild"};
static const char *const gates[PUSH_KINDS] = {"stream", "ui"};
static const char *const ends[PUSH_ENDS] = {"taken", "refused", "too_old", "superseded",
					    "crowded_out"};
/* As enum http_outcome, but for answers: by their class. */
static const char *const outcomes[] = {"2xx",	  "4xx",	 "5xx",	   "other_status",
				       "timeout", "unreachable", "broken", "too_large"};
static const double seconds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
				 1,	2.5,  5,     10,   30,	60,   600};
static const char *const build_version[] = {CPOA_VERSION};
static const char *const build_commit[] = {CPOA_COMMIT};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define LABEL(name, set)              \
	{                             \
		name, set, COUNT(set) \
	}

struct metric mb_events = {.name = "cpoa_bridge_events_total",
			   .help = "Events received.",
			   .kind = METRIC_COUNTER,
			   .labels = {LABEL("outcome", fates)}};
struct metric mb_pushes = {.name = "cpoa_bridge_pushes_total",
			   .help = "What was to be told to the ASF, by how it ended.",
			   .kind = METRIC_COUNTER,
			   .labels = {LABEL("kind", kinds), LABEL("outcome", ends)}};
struct metric mb_requests = {.name = "cpoa_bridge_requests_total",
			     .help = "Requests to the ASF.",
			     .kind = METRIC_COUNTER,
			     .labels = {LABEL("kind", kinds), LABEL("outcome", outcomes)}};
struct metric mb_seconds = {
	.name = "cpoa_bridge_delivery_seconds",
	.help = "From the receipt of an event until the ASF has taken what it has for it.",
	.kind = METRIC_HISTOGRAM,
	.labels = {LABEL("kind", kinds)},
	.buckets = seconds,
	.n_buckets = COUNT(seconds)};
struct metric mb_pending = {.name = "cpoa_bridge_pending",
			    .help = "What the ASF has still to be told.",
			    .kind = METRIC_GAUGE,
			    .labels = {LABEL("kind", kinds)}};
struct metric mb_asf_up = {.name = "cpoa_bridge_asf_up",
			   .help = "0: nobody answered there when it was last asked.",
			   .kind = METRIC_GAUGE,
			   .labels = {LABEL("kind", gates)}};
struct metric mb_rebuilds = {.name = "cpoa_bridge_rebuilds_total",
			     .help = "How often giving all streams again was begun.",
			     .kind = METRIC_COUNTER};
struct metric mb_amqp = {.name = "cpoa_amqp_connected",
			 .help = "1: the connection to RabbitMQ stands.",
			 .kind = METRIC_GAUGE};
struct metric mb_draining = {
	.name = "cpoa_draining", .help = "1: nothing new is taken.", .kind = METRIC_GAUGE};
static struct metric mb_build = {
	.name = "cpoa_build_info",
	.help = "Always 1; the labels say what runs.",
	.kind = METRIC_GAUGE,
	.labels = {LABEL("version", build_version), LABEL("commit", build_commit)}};

static struct metric *const families[] = {
	&mb_events, &mb_pushes,	  &mb_requests, &mb_seconds,  &mb_pending,
	&mb_asf_up, &mb_rebuilds, &mb_amqp,	&mb_draining, &mb_build,
};

void bridge_stats_setup(void)
{
	metrics_setup(families, COUNT(families));
	metric_set(&mb_build, 0, 0, 1);
	for (size_t i = 0; i < PUSH_KINDS; i++)
		metric_set(&mb_asf_up, i, 0, 1);
}

void bridge_stats_release(void)
{
	metrics_release(families, COUNT(families));
}

void bridge_stats_print(struct strbuf *out)
{
	metrics_print(families, COUNT(families), 1, out);
}

void bridge_stats_asked(const struct push *push, const struct http_request *r)
{
	size_t outcome = 3;

	switch (r->outcome) {
	case HTTP_ANSWERED:
		if (r->status / 100 == 2)
			outcome = 0;
		else if (r->status / 100 == 4)
			outcome = 1;
		else if (r->status / 100 == 5)
			outcome = 2;
		break;
	case HTTP_TIMEOUT:
		outcome = 4;
		break;
	case HTTP_UNREACHABLE:
	case HTTP_BAD_REQUEST:
	case HTTP_WITHHELD: /* only where somebody may judge a request: not here */
		outcome = 5;
		break;
	case HTTP_BROKEN:
		outcome = 6;
		break;
	case HTTP_TOO_LARGE:
		outcome = 7;
		break;
	}
	metric_add(&mb_requests, stats_kind(push), outcome, 1);
}
