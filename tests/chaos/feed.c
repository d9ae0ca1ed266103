/*
 * chaos_feed: the two ends of the worker's world, which lose nothing whatever the broker does.
 *
 *	chaos_feed publish JOBS ACKED [--rate N] [--twice N]
 *
 * JOBS holds a job a line: type, key, workflow id and body, with tabs between. Each is published
 * (persistent, mandatory, with confirm) until the broker has it; then its key is a line of ACKED.
 * --rate N: so many jobs a second. --twice N: each nth is published twice. Ends when all are
 * confirmed.
 *
 *	chaos_feed record EVENTS
 *
 * Binds the queue chaos.events to cpoa.events by #, and writes every event as a line of EVENTS: ms
 * since 1970, routing key, message id, id, subject, sequence, status and SHA-256 of the body, with
 * tabs between. Prints "recording" when the queue is bound. Until SIGTERM.
 *
 *	chaos_feed depth QUEUE...
 *
 * Prints a line "QUEUE<TAB>MESSAGES<TAB>CONSUMERS" each, of what is ready; -1: there is no such
 * queue.
 *
 * The broker is AMQP_URL's. A lost connection is opened again.
 */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/digest.h"
#include "cpoa/json.h"
#include "cpoa/mq.h"

enum { WINDOW = 1000, AGAIN_MS = 100, BODY_KEPT = 64 << 20, ACK_EVERY = 500, FIELDS = 4 };

static atomic_bool ending;

static void on_signal(int signal_number)
{
	(void)signal_number;
	atomic_store(&ending, true);
}

static struct mq *open_mq(const char *name)
{
	struct mq_options o = {.url = getenv("AMQP_URL"),
			       .name = name,
			       .body_max = BODY_KEPT,
			       .connect_timeout_ms = 3000};
	struct err e = {0};
	struct mq *mq;

	while (!(mq = mq_open(&o, &e)) && !atomic_load(&ending))
		poll(NULL, 0, AGAIN_MS);
	return mq;
}

static bool lost(struct mq **mq, const struct err *e)
{
	fprintf(stderr, "chaos_feed: %s\n", e->text);
	mq_close(*mq);
	*mq = NULL;
	poll(NULL, 0, AGAIN_MS);
	return false;
}

/* ---- publishing ---- */

struct job {
	char *field[FIELDS]; /* type, key, workflow id, body; in one block */
	enum { WAITING, SENT, RETURNED, ACKED } state;
};

struct feed {
	struct job *jobs;
	int n, next, unconfirmed, acked;
	int by_seq[WINDOW]; /* the job of a publishing, by its number; -1: a second copy */
	FILE *out;
	double rate;
	long twice;
	struct mq *mq;
	uint64_t settled; /* all publishings up to this number are confirmed */
	bool confirmed[WINDOW];
	uint64_t sent;
};

static bool read_jobs(struct feed *f, const char *path)
{
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	while (in && (len = getline(&line, &cap, in)) > 0) {
		char *copy = xstrndup(line, (size_t)len - 1), *at = copy;
		struct job *job;

		f->jobs = xrealloc(f->jobs, (size_t)(f->n + 1) * sizeof(*f->jobs));
		job = &f->jobs[f->n++];
		*job = (struct job){.state = WAITING};
		for (int i = 0; i < FIELDS; i++) {
			if (!at)
				return false;
			job->field[i] = at;
			at = strchr(at, '\t');
			if (at)
				*at++ = '\0';
		}
	}
	free(line);
	return in && fclose(in) == 0;
}

static bool publish_one(struct feed *f, int index, bool copy, struct err *e)
{
	struct job *job = &f->jobs[index];
	const struct mq_header headers[] = {{"X-Idempotency-Key", job->field[1]},
					    {"X-Workflow-ID", job->field[2]}};
	struct mq_publish p = {.exchange = "cpoa.jobs",
			       .routing_key = job->field[0],
			       .content_type = "application/json",
			       .message_id = job->field[1],
			       .persistent = true,
			       .mandatory = true,
			       .headers = headers,
			       .n_headers = 2,
			       .body = job->field[3],
			       .len = strlen(job->field[3])};

	f->sent++;
	f->by_seq[f->sent % WINDOW] = copy ? -1 : index;
	return mq_publish(f->mq, &p, NULL, e);
}

static void settle(struct feed *f, uint64_t seq)
{
	int index = f->by_seq[seq % WINDOW];

	f->unconfirmed--;
	if (index < 0)
		return;
	if (f->jobs[index].state == RETURNED) {
		f->jobs[index].state = WAITING; /* no queue took it: again */
		if (index < f->next)
			f->next = index;
		return;
	}
	f->jobs[index].state = ACKED;
	f->acked++;
	fprintf(f->out, "%s\n", f->jobs[index].field[1]);
	fflush(f->out);
}

/* Quorum queues confirm out of order. */
static void on_confirm(struct feed *f, uint64_t seq, bool multiple)
{
	for (uint64_t i = multiple ? f->settled + 1 : seq; i <= seq; i++)
		if (!f->confirmed[i % WINDOW]) {
			f->confirmed[i % WINDOW] = true;
			settle(f, i);
		}
	while (f->settled < f->sent && f->confirmed[(f->settled + 1) % WINDOW])
		f->confirmed[++f->settled % WINDOW] = false;
}

static void on_returned(struct feed *f, const struct mq_message *m)
{
	for (int i = 0; i < f->n; i++)
		if (strcmp(f->jobs[i].field[1], m->message_id) == 0 && f->jobs[i].state == SENT)
			f->jobs[i].state = RETURNED;
	poll(NULL, 0, 1);
}

static bool hear(struct feed *f, int timeout_ms, struct err *e)
{
	struct mq_event ev;

	do {
		if (!mq_next(f->mq, &ev, timeout_ms, e))
			return false;
		timeout_ms = 0;
		if (ev.kind == MQ_CONFIRMED)
			on_confirm(f, ev.seq, ev.multiple);
		else if (ev.kind == MQ_RETURNED)
			on_returned(f, ev.message);
		else if (ev.kind == MQ_REFUSED)
			return err_set(e, ERR_LOST, "the broker refused a job");
		if (ev.kind == MQ_RETURNED || ev.kind == MQ_DELIVERY)
			mq_message_free(ev.message);
	} while (ev.kind != MQ_NOTHING);
	return true;
}

/* What was not confirmed on the old connection is sent again on the new one, under the same ids. */
static bool connect_feed(struct feed *f, struct err *e)
{
	f->mq = open_mq("chaos feed");
	if (!f->mq || !mq_confirm_select(f->mq, e))
		return false;
	for (int i = 0; i < f->n; i++)
		if (f->jobs[i].state == SENT || f->jobs[i].state == RETURNED)
			f->jobs[i].state = WAITING;
	f->next = 0;
	f->unconfirmed = 0;
	f->sent = f->settled = 0;
	memset(f->confirmed, 0, sizeof(f->confirmed));
	return true;
}

static bool publish_some(struct feed *f, int64_t began_ms, struct err *e)
{
	while (f->next < f->n && f->sent - f->settled < WINDOW - 2) {
		int index = f->next;

		if (f->rate > 0 && index > f->rate * (double)(clock_mono_ms() - began_ms) / 1000)
			return true;
		f->next++;
		if (f->jobs[index].state != WAITING)
			continue;
		f->jobs[index].state = SENT;
		f->unconfirmed++;
		if (!publish_one(f, index, false, e))
			return false;
		if (f->twice && index % f->twice == 0) {
			f->unconfirmed++;
			if (!publish_one(f, index, true, e))
				return false;
		}
	}
	return true;
}

static int publish_main(struct feed *f)
{
	int64_t began_ms = clock_mono_ms();
	struct err e = {0};

	while (f->acked < f->n || f->unconfirmed) {
		if (!f->mq && !connect_feed(f, &e))
			lost(&f->mq, &e);
		else if (!publish_some(f, began_ms, &e) ||
			 !hear(f, f->next < f->n && f->unconfirmed < WINDOW / 2 ? 1 : 20, &e))
			lost(&f->mq, &e);
		if (atomic_load(&ending))
			return 1;
	}
	mq_close(f->mq);
	return fclose(f->out) == 0 ? 0 : 1;
}

/* ---- recording ---- */

static bool listen_to(struct mq *mq, struct err *e)
{
	return mq_declare_exchange(mq, "cpoa.events", "topic", e) &&
	       mq_declare_queue(mq, "chaos.events", false, NULL, 0, NULL, e) &&
	       mq_bind(mq, "chaos.events", "cpoa.events", "#", e) &&
	       mq_prefetch(mq, 4 * ACK_EVERY, e) &&
	       mq_consume(mq, "chaos.events", "chaos", false, e);
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static void write_event(FILE *out, const struct mq_message *m)
{
	struct json_object *o = NULL;
	uint8_t d[DIGEST_SIZE];
	char text[DIGEST_TEXT_SIZE];
	struct err e;

	digest(m->body, m->body_len, d);
	digest_text(d, text);
	(void)(json_read(m->body, m->body_len, JSON_DEPTH_MAX + 8, JSON_STRICT, &o, &e) == JSON_OK);
	fprintf(out, "%lld\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", (long long)clock_wall_us() / 1000,
		m->routing_key, or_dash(m->message_id), or_dash(json_str(o, "id")),
		or_dash(json_str(o, "subject")), or_dash(json_str(o, "sequence")),
		or_dash(json_str(json_obj(o, "data"), "status")), text);
	json_put(&o);
}

/* False: the connection is lost. */
static bool record_some(struct mq *mq, FILE *out, struct err *e)
{
	struct mq_event ev;
	uint64_t last = 0;

	for (int n = 0; n < ACK_EVERY; n++) {
		if (!mq_next(mq, &ev, n ? 0 : 50, e))
			return false;
		if (ev.kind == MQ_NOTHING)
			break;
		if (ev.kind == MQ_CANCELLED)
			return err_set(e, ERR_LOST, "the consumer was cancelled");
		if (ev.kind == MQ_DELIVERY) {
			write_event(out, ev.message);
			last = ev.message->tag;
			mq_message_free(ev.message);
		}
	}
	return fflush(out) == 0 && (!last || mq_ack(mq, last, true, e));
}

static int record_main(FILE *out)
{
	struct mq *mq = NULL;
	struct err e = {0};
	bool told = false;

	while (!atomic_load(&ending)) {
		if (!mq && ((mq = open_mq("chaos record")), !mq || !listen_to(mq, &e))) {
			lost(&mq, &e);
			continue;
		}
		if (!told)
			told = puts("recording") >= 0 && fflush(stdout) == 0;
		if (!record_some(mq, out, &e))
			lost(&mq, &e);
	}
	mq_close(mq);
	return fclose(out) == 0 ? 0 : 1;
}

static int depth_main(char **queues)
{
	struct mq *mq = NULL;

	for (; *queues; queues++) {
		struct err e = {0};
		uint32_t ready = 0;
		uint32_t consumers = 0;
		bool there;

		if (!mq)
			mq = open_mq("chaos depth");
		there = mq_inspect_queue(mq, *queues, &ready, &consumers, &e);
		printf("%s\t%ld\t%ld\n", *queues, there ? (long)ready : -1, (long)consumers);
		if (!there) { /* the broker has closed the channel over it */
			mq_close(mq);
			mq = NULL;
		}
	}
	mq_close(mq);
	return 0;
}

int main(int argc, char **argv)
{
	struct feed f = {0};

	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "record") == 0 && (f.out = fopen(argv[2], "a")))
		return record_main(f.out);
	if (argc > 2 && strcmp(argv[1], "depth") == 0)
		return depth_main(argv + 2);
	for (int i = 4; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--rate") == 0)
			f.rate = strtod(argv[i + 1], NULL);
		else if (strcmp(argv[i], "--twice") == 0)
			f.twice = strtol(argv[i + 1], NULL, 10);
	}
	if (argc >= 4 && strcmp(argv[1], "publish") == 0 && read_jobs(&f, argv[2]) &&
	    (f.out = fopen(argv[3], "a")))
		return publish_main(&f);
	fputs("usage: chaos_feed publish JOBS ACKED [--rate N] [--twice N] | record EVENTS | depth "
	      "QUEUE...\n",
	      stderr);
	return 2;
}
