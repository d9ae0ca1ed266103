/* world: the messages that go in and come out. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"

#include "world_parts.h"

enum { BODY_KEPT = 8 << 20, PREFETCH = 2000, RECONNECT_MS = 60000, TEXT_MAX = 4 << 20 };

static const char queue_name[] = "test.events";
static const char events_tag[] = "test";

/* ---- the connection ---- */

static bool listen_once(struct world *w, struct err *e)
{
	const struct mq_argument quorum = {"x-queue-type", "quorum", 0};
	struct mq_options o = {.url = w->amqp_url,
			       .name = "test",
			       .body_max = BODY_KEPT,
			       .connect_timeout_ms = 5000};

	mq_close(w->mq);
	w->mq = mq_open(&o, e);
	return w->mq && mq_declare_exchange(w->mq, "cpoa.events", "topic", e) &&
	       mq_declare_queue(w->mq, queue_name, false, &quorum, 1, NULL, e) &&
	       mq_bind(w->mq, queue_name, "cpoa.events", "#", e) &&
	       mq_prefetch(w->mq, PREFETCH, e) &&
	       mq_consume(w->mq, queue_name, events_tag, false, e) && mq_confirm_select(w->mq, e);
}

void world_listen(struct world *w)
{
	int64_t until = clock_mono_ms() + (w->losses_expected ? RECONNECT_MS : 5000);
	struct err e = {0};

	/* A vhost that has just been made needs a moment. */
	while (!listen_once(w, &e)) {
		cr_assert_lt(clock_mono_ms(), until, "%s", e.text);
		poll(NULL, 0, 50);
	}
	w->published = w->confirmed = 0;
}

void world_stop_listening(struct world *w)
{
	mq_close(w->mq);
	for (int i = 0; i < w->n_seen; i++) {
		mq_message_free(w->seen[i].message);
		json_object_put(w->seen[i].body);
	}
	free(w->seen);
	while (w->deliveries) {
		struct mq_message *m = w->deliveries;

		w->deliveries = m->next;
		mq_message_free(m);
	}
}

void world_expect_loss(struct world *w)
{
	w->losses_expected = true;
}

struct mq *world_mq(struct world *w)
{
	return w->mq;
}

/* ---- what comes ---- */

static void see(struct world *w, struct mq_message *m)
{
	const char *dot = strrchr(m->routing_key, '.');
	struct seen *s;
	struct err e;

	if (!dot) { /* a test's own, and no event: they go by TYPE.EVENT */
		mq_message_free(m);
		return;
	}
	if (w->n_seen == w->cap_seen) {
		w->cap_seen = w->cap_seen ? 2 * w->cap_seen : 256;
		w->seen = xrealloc(w->seen, (size_t)w->cap_seen * sizeof(*w->seen));
	}
	s = &w->seen[w->n_seen++];
	*s = (struct seen){.kind = dot + 1, .message = m};
	cr_assert_eq(json_read(m->body, m->body_len, JSON_DEPTH_MAX + 8, JSON_STRICT, &s->body, &e),
		     JSON_OK, "%s: %s", e.text, m->body);
	world_record_event(w, m, s->body);
}

static void record_reply(struct world *w, const struct mq_message *m)
{
	struct json_object *body;
	struct err e;

	if (!m->content_type || strcmp(m->content_type, "application/cloudevents+json") != 0)
		return;
	cr_assert_eq(json_read(m->body, m->body_len, JSON_DEPTH_MAX + 8, JSON_STRICT, &body, &e),
		     JSON_OK, "%s: %s", e.text, m->body);
	world_record_event(w, m, body);
	json_object_put(body);
}

static void deliver(struct world *w, struct mq_message *m)
{
	struct err e;

	/* A broker that is being restarted may go between the two: what was not acked comes again.
	 */
	if (!mq_ack(w->mq, m->tag, false, &e)) {
		cr_assert(w->losses_expected, "%s", e.text);
		mq_message_free(m);
		world_listen(w);
		return;
	}
	if (strcmp(m->consumer_tag, events_tag) == 0) {
		see(w, m);
		return;
	}
	record_reply(w, m);
	m->next = w->deliveries;
	w->deliveries = m;
}

/* Takes in one thing that the broker has to say; false: it has nothing. */
static bool pump(struct world *w, int ms)
{
	struct mq_event ev;
	struct err e = {0};

	if (!mq_next(w->mq, &ev, ms, &e)) {
		cr_assert(w->losses_expected, "%s", e.text);
		world_listen(w);
		return true;
	}
	if (ev.kind == MQ_DELIVERY)
		deliver(w, ev.message);
	else if (ev.kind == MQ_CONFIRMED)
		w->confirmed += ev.multiple ? ev.seq - w->confirmed : 1;
	else if (ev.kind == MQ_RETURNED)
		cr_assert_fail("unroutable: %s %s", ev.message->exchange, ev.message->routing_key);
	else if (ev.kind != MQ_NOTHING)
		cr_assert(w->losses_expected, "the broker says %d: %s", (int)ev.kind, ev.text);
	return ev.kind != MQ_NOTHING;
}

static void pump_all(struct world *w)
{
	if (pump(w, 10))
		while (pump(w, 0))
			;
}

/* ---- jobs ---- */

void world_post(struct world *w, const struct job_spec *job)
{
	struct mq_publish p = {
		.exchange = job->exchange ? job->exchange : "cpoa.jobs",
		.routing_key = job->routing_key ? job->routing_key : "podcast_generation",
		.content_type = job->content_type,
		.message_id = job->message_id,
		.correlation_id = job->correlation_id,
		.reply_to = job->reply_to,
		.persistent = true,
		.mandatory = true,
		.headers = job->headers,
		.body = job->body,
		.len = job->body_len ? job->body_len : strlen(job->body),
	};
	struct err e;

	while (p.n_headers < sizeof(job->headers) / sizeof(*job->headers) &&
	       job->headers[p.n_headers].name)
		p.n_headers++;
	world_record_job(w, &p);
	cr_assert(mq_publish(w->mq, &p, NULL, &e), "%s", e.text);
	w->published++;
}

void world_flush(struct world *w)
{
	int64_t until = clock_mono_ms() + SOON_MS;

	while (w->confirmed < w->published) {
		cr_assert_lt(clock_mono_ms(), until, "%llu of %llu messages confirmed",
			     (unsigned long long)w->confirmed, (unsigned long long)w->published);
		pump(w, 100);
	}
}

void world_publish(struct world *w, const struct job_spec *job)
{
	world_post(w, job);
	world_flush(w);
}

struct job_spec world_podcast_spec(struct world *w, const char *name, const char *more)
{
	const char *task = world_id(w, world_format(w, "task of %s", name));

	return (struct job_spec){
		.content_type = "application/json",
		.message_id = world_format(w, "%s", name),
		.headers = {{"X-Idempotency-Key", world_format(w, "%s", name)},
			    {"X-Workflow-ID", world_id(w, name)}},
		.body = world_format(w, "{\"topic\":\"The story of %s\",\"task_id\":\"%s\"%s%s}",
				     name, task, more ? "," : "", more ? more : ""),
	};
}

const char *world_podcast(struct world *w, const char *name, const char *more)
{
	struct job_spec job = world_podcast_spec(w, name, more);

	world_publish(w, &job);
	return job.headers[1].value;
}

/* ---- events ---- */

static bool terminal(const char *kind)
{
	return strcmp(kind, "completed") == 0 || strcmp(kind, "failed") == 0 ||
	       strcmp(kind, "cancelled") == 0;
}

static bool matches(const struct seen *s, const char *kind, const char *workflow)
{
	const char *subject = json_str(s->body, "subject");

	return (kind ? strcmp(s->kind, kind) == 0 : terminal(s->kind)) &&
	       (!workflow || (subject && strcmp(subject, workflow) == 0));
}

static const struct seen *find(struct world *w, const char *kind, const char *workflow, int index)
{
	for (int i = 0; i < w->n_seen; i++)
		if (matches(&w->seen[i], kind, workflow) && index-- == 0)
			return &w->seen[i];
	return NULL;
}

static const char *last_words(struct world *w)
{
	struct strbuf sb;

	strbuf_init(&sb, TEXT_MAX);
	for (int i = 0; i < w->n_workers; i++) {
		char *log = file_read(w->worker[i].log);
		size_t n = strlen(log);

		strbuf_addf(&sb, "\n--- %s\n%s", w->worker[i].log, n > 3000 ? log + n - 3000 : log);
		free(log);
	}
	return world_keep(w, strbuf_detach(&sb, NULL), free);
}

const struct seen *world_event(struct world *w, const char *kind, const char *workflow, int index,
			       int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;
	const struct seen *s;

	while (!(s = find(w, kind, workflow, index))) {
		cr_assert_lt(clock_mono_ms(), until, "no %s event %d of workflow %s%s",
			     kind ? kind : "terminal", index, workflow ? workflow : "(any)",
			     last_words(w));
		pump_all(w);
	}
	return s;
}

struct json_object *world_end(struct world *w, const char *workflow)
{
	return world_event(w, NULL, workflow, 0, SOON_MS)->body;
}

int world_events(struct world *w, const char *kind, const char *workflow)
{
	int n = 0;

	pump_all(w);
	for (int i = 0; i < w->n_seen; i++)
		n += matches(&w->seen[i], kind, workflow);
	return n;
}

static int compare_subjects(const void *a, const void *b)
{
	const struct seen *const *x = a, *const *y = b;

	return strcmp(json_at((*x)->body, "subject"), json_at((*y)->body, "subject"));
}

/* The terminal events by workflow; counts workflows, and events unlike their workflow's first. */
static int survey(struct world *w, int *contradictions)
{
	const struct seen **list = xcalloc((size_t)w->n_seen + 1, sizeof(struct seen *));
	size_t n = 0, first = 0;
	int workflows = 0;

	for (int i = 0; i < w->n_seen; i++)
		if (terminal(w->seen[i].kind))
			list[n++] = &w->seen[i];
	qsort(list, n, sizeof(*list), compare_subjects);
	for (size_t i = 0; i < n; i++) {
		const struct mq_message *a = list[first]->message, *b = list[i]->message;

		if (i == 0 || compare_subjects(&list[first], &list[i]) != 0) {
			first = i;
			workflows++;
		} else if (a->body_len != b->body_len ||
			   memcmp(a->body, b->body, a->body_len) != 0) {
			*contradictions += 1;
		}
	}
	free(list);
	return workflows;
}

void world_await_ends(struct world *w, int n, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;
	int ignored = 0, have;

	while ((have = survey(w, &ignored)) < n) {
		cr_assert_lt(clock_mono_ms(), until, "%d of %d workflows have ended%s", have, n,
			     last_words(w));
		pump_all(w);
	}
}

int world_contradictions(struct world *w)
{
	int n = 0;

	survey(w, &n);
	return n;
}

struct mq_message *world_delivery(struct world *w, const char *tag, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	for (;;) {
		for (struct mq_message *m = w->deliveries; m; m = m->next)
			if (strcmp(m->consumer_tag, tag) == 0)
				return m;
		cr_assert_lt(clock_mono_ms(), until, "consumer %s has got nothing", tag);
		pump_all(w);
	}
}
