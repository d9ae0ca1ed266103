/* doctor: the broker. A refusal costs the connection, so each question has one of its own. */
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/strbuf.h"

#include "ctl/doctor.h"
#include "engine/topology.h"

enum { CONFIRM_MS = 4000, STEP_MS = 250 };

static const char read_log[] = "Read the broker's log at this time of day.";
static const char not_found[] = "404", refused[] = "403", inequivalent[] = "406";

static struct mq *open_mq(struct doctor *d, struct err *e)
{
	struct mq_options o = settings_mq(&d->settings, "cpoa doctor");
	struct mq *mq = mq_open(&o, e);

	doctor_watch(mq ? mq_fd(mq) : -1);
	return mq;
}

/* ---- login ---- */

static const struct remedy login_remedies[] = {
	{"403", NULL,
	 "Set the user and password in AMQP_URL (or AMQP_URL_FILE) to the broker's; guest may "
	 "log in from the broker's own host alone."},
	{"530", NULL,
	 "Set the virtual host at the end of AMQP_URL to one that is there, and give the user "
	 "permissions in it (rabbitmqctl set_permissions)."},
	{NULL, "cannot be read", "Write AMQP_URL as amqp://user:password@host:port/vhost."},
	{NULL, "speaks no TLS",
	 "Set AMQP_URL to the broker's TLS port (5671 as a rule), or to amqp:// if the network "
	 "between is yours."},
	{NULL, "it speaks TLS",
	 "Write amqps:// in AMQP_URL, and set AMQP_CA_FILE to the broker's CA."},
	{NULL, "certificate has expired", "Have the broker's certificate renewed."},
	{NULL, "another host", "Name the broker in AMQP_URL as its certificate does."},
	{NULL, "CA file", "Set AMQP_CA_FILE to the file with the broker's CA."},
	{NULL, "cannot read certificates", "Set AMQP_CA_FILE to a file of certificates (PEM)."},
	{NULL, "hostname", "Name the broker in AMQP_URL as its certificate does."},
	{NULL, "certificate",
	 "Set AMQP_CA_FILE to the CA that has signed the broker's certificate, or renew "
	 "that certificate."},
	{NULL, "verif",
	 "Set AMQP_CA_FILE to the CA that has signed the broker's certificate, or renew that "
	 "certificate."},
	{NULL, NULL, "Start RabbitMQ, or set AMQP_URL to where it listens."},
};

void check_mq_login(struct doctor *d)
{
	struct err e = {0};
	struct mq *mq = open_mq(d, &e);

	if (!mq) {
		doctor_failed(d, remedy_for(login_remedies, &e), &e);
		return;
	}
	d->has[GROUND_MQ] = true;
	mq_close(mq);
	doctor_ok(d, "the broker lets us in%s",
		  strncmp(d->settings.amqp_url, "amqps:", 6) == 0 ? ", by TLS" : "");
}

/* ---- topology ---- */

/* Whether it is there; then whether it is of our kind, by declaring what is there already. */
static bool look_at(struct doctor *d, const struct topology_row *row, struct err *e)
{
	AUTO(mq_close_ptr) struct mq *mq = open_mq(d, e);

	return mq && topology_find(mq, row, e) && topology_declare(mq, row, e);
}

static void tell_row(struct doctor *d, const struct topology_row *row, const struct err *e)
{
	if (strcmp(e->code, inequivalent) == 0)
		doctor_wrong(d,
			     "Move its messages away (shovel), delete it, and run `cpoa topology "
			     "apply`: a kind cannot be changed.",
			     "%s", e->text);
	else if (strcmp(e->code, refused) == 0 && !d->settings.declare_topology)
		doctor_warn(
			d,
			"Compare it with `cpoa topology show` by hand, as CPOA_DECLARE_TOPOLOGY "
			"is false.",
			"%s %s is there; of what kind cannot be asked by this user", row->kind,
			row->name);
	else if (strcmp(e->code, refused) == 0)
		doctor_wrong(d,
			     "Let the user configure what begins with cpoa. in this virtual host "
			     "(rabbitmqctl set_permissions), or set CPOA_DECLARE_TOPOLOGY=false.",
			     "%s", e->text);
	else
		doctor_failed(d, read_log, e);
}

static void tell_missing(struct doctor *d, const struct strbuf *names)
{
	doctor_wrong(d,
		     d->settings.declare_topology
			     ? "Run `cpoa topology apply`; a worker declares them too at its start."
			     : "Run `cpoa topology apply`, as CPOA_DECLARE_TOPOLOGY is false.",
		     "missing: %s", names->buf);
}

void check_mq_topology(struct doctor *d)
{
	AUTO(strbuf_release) struct strbuf missing;
	struct topology_row rows[TOPOLOGY_ROWS];
	struct err e = {0};
	int n = topology_rows(rows), bad = 0;

	strbuf_init(&missing, 4096);
	for (int i = 0; i < n && e.class != ERR_LOST; i++) {
		e = (struct err){0};
		if (look_at(d, &rows[i], &e))
			continue;
		bad++;
		if (strcmp(e.code, not_found) == 0)
			strbuf_addf(&missing, "%s%s %s", missing.len ? ", " : "", rows[i].kind,
				    rows[i].name);
		else
			tell_row(d, &rows[i], &e);
	}
	if (missing.len)
		tell_missing(d, &missing);
	if (!bad)
		doctor_ok(d, "all %d exchanges and queues are there and of their kind", n);
}

/* ---- alarm ---- */

/* The broker tells of an alarm when somebody publishes; what goes to no queue is gone. */
static bool publish_and_hear(struct mq *mq, struct mq_event *event, struct err *e)
{
	const struct mq_publish nothing = {.exchange = "", .routing_key = "cpoa.doctor.nothing"};
	int64_t until = clock_mono_ms() + CONFIRM_MS;

	if (!mq_confirm_select(mq, e) || !mq_publish(mq, &nothing, NULL, e))
		return false;
	do {
		if (!mq_next(mq, event, STEP_MS, e))
			return false;
	} while (event->kind == MQ_NOTHING && clock_mono_ms() < until);
	return true;
}

void check_mq_alarm(struct doctor *d)
{
	AUTO(mq_close_ptr) struct mq *mq = NULL;
	struct mq_event event = {0};
	struct err e = {0};

	mq = open_mq(d, &e);
	if (!mq || !publish_and_hear(mq, &event, &e)) {
		d->has[GROUND_PUBLISH] = strcmp(e.code, refused) == 0; /* the next check's */
		if (!d->has[GROUND_PUBLISH])
			doctor_failed(d, read_log, &e);
		return;
	}
	d->has[GROUND_PUBLISH] = event.kind == MQ_CONFIRMED;
	if (d->has[GROUND_PUBLISH])
		doctor_ok(d, "the broker takes what is published");
	else
		doctor_wrong(
			d,
			"Free memory or disk on the broker's host (rabbitmq-diagnostics alarms), "
			"or drain its queues.",
			"the broker takes no publishing for now: %s",
			event.kind == MQ_BLOCKED ? event.text : "it does not confirm");
}

/* ---- permissions ---- */

static bool try_write(struct doctor *d, const char *exchange, struct err *e)
{
	AUTO(mq_close_ptr) struct mq *mq = open_mq(d, e);

	return mq && mq_try_publish(mq, exchange, e);
}

/* Only of an empty queue: a message that is delivered to us would be marked as delivered before. */
static bool try_read(struct doctor *d, const char *queue, struct err *e)
{
	AUTO(mq_close_ptr) struct mq *mq = open_mq(d, e);
	uint32_t ready = 0;

	return mq && mq_inspect_queue(mq, queue, &ready, NULL, e) &&
	       (ready || (mq_prefetch(mq, 1, e) && mq_consume(mq, queue, "doctor", false, e) &&
			  mq_cancel(mq, "doctor", e)));
}

static int tell_permission(struct doctor *d, bool ok, const struct err *e)
{
	if (ok || strcmp(e->code, not_found) == 0) /* that it is missing was told */
		return 0;
	if (strcmp(e->code, refused) == 0)
		doctor_wrong(d,
			     "rabbitmqctl set_permissions -p VHOST USER '^cpoa\\.' "
			     "'^(cpoa\\..*|amq\\.default)$' '^cpoa\\.'",
			     "%s", e->text);
	else
		doctor_failed(d, read_log, e);
	return 1;
}

void check_mq_permissions(struct doctor *d)
{
	static const char *const written[] = {EXCHANGE_EVENTS, ""};
	char queue[QUEUE_NAME_SIZE];
	int bad = 0;

	for (size_t i = 0; i < sizeof(written) / sizeof(*written); i++) {
		struct err e = {0};
		bool ok = try_write(d, written[i], &e);

		bad += tell_permission(d, ok, &e);
	}
	for (int i = 0; i < WORKFLOW_COUNT; i++) {
		struct err e = {0};

		topology_queue(queue, workflow_types[i]);
		if (d->settings.runs[i]) {
			bool ok = try_read(d, queue, &e);

			bad += tell_permission(d, ok, &e);
		}
	}
	if (!bad)
		doctor_ok(d, "events may be published, jobs may be consumed");
}
