/* links: cpoa_world cpoa_client cpoa_db cpoa_mq */
/* The client library (cpoa/client.h) against a real broker and real workers. */
#include "cpoa/client.h"
#include "world.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpoa/clock.h"

#include "world_parts.h"

static struct cpoa_client_error error;

static struct cpoa_client *connect_to(const char *url)
{
	const struct cpoa_client_options o = {.url = url};
	struct cpoa_client *client;

	signal(SIGPIPE, SIG_IGN);
	client = cpoa_client_connect(&o, &error);
	cr_assert_not_null(client, "%s", error.text);
	return client;
}

static const char podcast[] = "{\"topic\":\"lost confirm\",\"client_id\":\"c\","
			      "\"task_id\":\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\"}";

/* ---- an installed tree ---- */

Test(client, a_strangers_program_is_built_by_pkg_config_and_makes_a_podcast)
{
	struct world *w = world_open();
	const char *build, *out;

	world_agents(w, "--latency", "20");
	world_worker(w, NULL);
	build = world_format(
		w,
		"cmake --install '%s' --component client --prefix \"$PWD/prefix\" >/dev/null && "
		"pc=$(find \"$PWD/prefix\" -name cpoa-client.pc) && "
		"PKG_CONFIG_PATH=${pc%%/*} && export PKG_CONFIG_PATH && "
		"cc -std=c11 -Wall -Wextra -pedantic -Werror %s '%s' -o program "
		"$(pkg-config --cflags --libs cpoa-client) && ./program",
		getenv("CPOA_BUILD"), getenv("CPOA_CLIENT_CFLAGS"), getenv("CPOA_CLIENT_PROGRAM"));
	cr_assert_eq(world_run(w, &out, (const char *const[]){"/bin/sh", "-c", build, NULL}), 0);
	has(out, "initialization: Podcast generation started.\n");
	has(out, "pswa_script_generation: Crafting script...\n");
	has(out, "completed ");
	cr_assert_eq(world_count(w, "SELECT count(*) FROM workflow_instances"), 1);
	world_close(w);
}

/* ---- waiting ---- */

static int n_stages;

static bool count_stage(void *ctx, const struct cpoa_client_event *event)
{
	n_stages += !event->terminal && *event->stage;
	return ctx == NULL;
}

Test(client, a_search_is_answered_by_direct_reply)
{
	struct world *w = world_open();
	struct cpoa_client_job job = {.type = "search_results_generation",
				      .arguments = "{\"query\":\"tides\"}",
				      .idempotency_key = "k",
				      .reply = true};
	struct cpoa_client_ticket ticket, second;
	struct cpoa_client_event end;
	struct cpoa_client *client;

	world_agents(w, NULL);
	world_worker(w, NULL);
	client = connect_to(w->amqp_url);
	cr_assert(cpoa_client_enqueue(client, &job, &ticket, &error), "%s", error.text);
	cr_assert(cpoa_client_wait(client, &ticket, SOON_MS, NULL, NULL, &end, &error), "%s",
		  error.text);
	same(end.kind, "completed");
	same(end.workflow_id, ticket.workflow_id);
	has(end.json, "search_results");
	/* Once more under its key: the same end, at once, to the new message. */
	cr_assert(cpoa_client_enqueue(client, &job, &second, &error), "%s", error.text);
	cr_assert(cpoa_client_wait(client, &second, SOON_MS, NULL, NULL, &end, &error), "%s",
		  error.text);
	same(end.workflow_id, ticket.workflow_id);
	/* A deadline is kept. */
	world_control(w, "{\"latency\":60000}");
	job.idempotency_key = "other";
	cr_assert(cpoa_client_enqueue(client, &job, &ticket, &error), "%s", error.text);
	cr_assert(!cpoa_client_wait(client, &ticket, 300, NULL, NULL, &end, &error));
	cr_assert_eq(error.code, CPOA_CLIENT_TIMEOUT);
	cpoa_client_close(client);
	world_abandon(w);
}

Test(client, a_podcast_is_followed_and_the_waiting_can_be_ended)
{
	struct world *w = world_open();
	struct cpoa_client_job job = {
		.type = "podcast_generation", .arguments = podcast, .message_id = "m"};
	struct cpoa_client_ticket ticket;
	struct cpoa_client_event end;
	struct cpoa_client *client;

	world_agents(w, NULL);
	world_worker(w, NULL);
	client = connect_to(w->amqp_url);
	cr_assert(!cpoa_client_wait(client, &(struct cpoa_client_ticket){0}, 1, NULL, NULL, &end,
				    &error));
	cr_assert_eq(error.code, CPOA_CLIENT_USAGE);
	cr_assert(cpoa_client_follow(client, job.type, &error), "%s", error.text);
	cr_assert(!cpoa_client_follow(client, NULL, &error));
	cr_assert(cpoa_client_enqueue(client, &job, &ticket, &error), "%s", error.text);
	cr_assert(cpoa_client_wait(client, &ticket, SOON_MS, count_stage, NULL, &end, &error), "%s",
		  error.text);
	cr_assert_eq(n_stages, 5);
	same(end.kind, "completed");
	same(end.status, "completed");
	same(end.workflow_type, "podcast_generation");
	same(end.message, "Podcast generation complete!");
	same(end.idempotency_key, "m");
	/* The same message: the same workflow, whatever id the second one would have had. */
	cr_assert(cpoa_client_enqueue(client, &job, &ticket, &error), "%s", error.text);
	cr_assert(cpoa_client_wait(client, &ticket, SOON_MS, NULL, NULL, &end, &error), "%s",
		  error.text);
	cr_assert(strcmp(end.workflow_id, ticket.workflow_id) != 0);
	job.message_id = "other";
	cr_assert(cpoa_client_enqueue(client, &job, &ticket, &error), "%s", error.text);
	cr_assert(!cpoa_client_wait(client, &ticket, SOON_MS, count_stage, w, &end, &error));
	cr_assert_eq(error.code, CPOA_CLIENT_TIMEOUT);
	cpoa_client_close(client);
	world_close(w);
}

/* ---- connections that are lost ---- */

enum { LINES_MAX = 16 };

/*
 * Stands between client and broker. With `eats_confirm`, the first connection is cut when the job
 * has gone through and the broker has answered it. `epoch` counted up cuts all that there are.
 */
struct proxy {
	int listener;
	struct sockaddr_in broker;
	pthread_t thread;
	bool eats_confirm;
	atomic_bool stop;
	atomic_int cut, epoch, connections;
};

struct line {
	struct proxy *proxy;
	pthread_t thread;
	int client, broker, epoch;
	bool armed; /* the job has gone through */
};

static bool passes(struct line *l, int from, int to)
{
	struct proxy *p = l->proxy;
	char buf[65536];
	ssize_t n = recv(from, buf, sizeof(buf), 0);

	if (n <= 0)
		return false;
	if (to == l->client && l->armed) {
		atomic_fetch_add(&p->cut, 1);
		return false;
	}
	if (to == l->broker && p->eats_confirm && atomic_load(&p->cut) == 0 &&
	    memmem(buf, (size_t)n, "lost confirm", strlen("lost confirm")))
		l->armed = true;
	return send(to, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *line_thread(void *arg)
{
	struct line *l = arg;
	struct proxy *p = l->proxy;
	struct pollfd fds[] = {{l->client, POLLIN, 0}, {l->broker, POLLIN, 0}};
	bool up = connect(l->broker, (const struct sockaddr *)&p->broker, sizeof(p->broker)) == 0;

	while (up && !atomic_load(&p->stop) && atomic_load(&p->epoch) == l->epoch) {
		poll(fds, 2, 20);
		if (fds[0].revents)
			up = passes(l, l->client, l->broker);
		if (up && fds[1].revents)
			up = passes(l, l->broker, l->client);
	}
	close(l->client);
	close(l->broker);
	return NULL;
}

static void *proxy_thread(void *arg)
{
	struct proxy *p = arg;
	struct line lines[LINES_MAX];
	int n = 0;

	while (!atomic_load(&p->stop)) {
		struct pollfd fd = {p->listener, POLLIN, 0};

		if (poll(&fd, 1, 20) != 1 || n == LINES_MAX)
			continue;
		lines[n] = (struct line){.proxy = p,
					 .client = accept(p->listener, NULL, NULL),
					 .broker = socket(AF_INET, SOCK_STREAM, 0),
					 .epoch = atomic_load(&p->epoch)};
		pthread_create(&lines[n].thread, NULL, line_thread, &lines[n]);
		n++;
		atomic_fetch_add(&p->connections, 1);
	}
	while (n)
		pthread_join(lines[--n].thread, NULL);
	return NULL;
}

/* The URL of the world's vhost by way of it. */
static const char *proxy_open(struct proxy *p, struct world *w)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	const char *host = strchr(w->amqp_url, '@');

	p->broker = at;
	p->broker.sin_port = htons((uint16_t)strtoul(strchr(host, ':') + 1, NULL, 10));
	p->listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(p->listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(p->listener, LINES_MAX), 0);
	cr_assert_eq(getsockname(p->listener, (struct sockaddr *)&at, &len), 0);
	cr_assert_eq(pthread_create(&p->thread, NULL, proxy_thread, p), 0);
	return world_format(w, "%.*s@127.0.0.1:%d/%s", (int)(host - w->amqp_url), w->amqp_url,
			    ntohs(at.sin_port), w->name);
}

static void proxy_close(struct proxy *p)
{
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	close(p->listener);
}

Test(client, a_lost_confirm_leads_to_two_messages_and_one_workflow)
{
	struct world *w = world_open();
	const struct cpoa_client_job job = {.type = "podcast_generation", .arguments = podcast};
	struct cpoa_client_ticket ticket;
	struct cpoa_client *client;
	struct proxy proxy = {.eats_confirm = true};

	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	client = connect_to(proxy_open(&proxy, w));
	cr_assert(cpoa_client_enqueue(client, &job, &ticket, &error), "%s", error.text);
	cr_assert_eq(atomic_load(&proxy.cut), 1);
	cr_assert_eq(atomic_load(&proxy.connections), 2);
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 2);
	cpoa_client_close(client);
	proxy_close(&proxy);

	world_agents(w, NULL);
	world_worker(w, NULL);
	same(json_at(world_end(w, ticket.workflow_id), "data.status"), "completed");
	cr_assert(await_rows(w, "0", "SELECT count(*) FROM outbox_events", SOON_MS));
	cr_assert_eq(world_queue(w, "cpoa.jobs.podcast_generation"), 0);
	cr_assert_eq(world_count(w, "SELECT count(*) FROM workflow_instances"), 1);
	cr_assert_eq(world_count(w, "SELECT count(*) FROM dead_letters"), 0);
	world_close(w);
}

static enum cpoa_client_news next_news(struct cpoa_client *client, struct cpoa_client_event *event)
{
	int64_t until = clock_mono_ms() + SOON_MS;
	enum cpoa_client_news news = CPOA_CLIENT_NOTHING;

	while (news == CPOA_CLIENT_NOTHING && clock_mono_ms() < until)
		news = cpoa_client_next(client, 100, event, &error);
	return news;
}

Test(client, a_lost_connection_is_told_and_made_anew)
{
	struct world *w = world_open();
	const struct cpoa_client_job job = {.type = "popular_categories"};
	const struct cpoa_client_job asks = {.type = "search_results_generation",
					     .arguments = "{\"query\":\"tides\"}",
					     .reply = true};
	struct cpoa_client_ticket ticket;
	struct cpoa_client_event event;
	struct cpoa_client *client;
	struct proxy proxy = {0};

	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	client = connect_to(proxy_open(&proxy, w));
	cr_assert(cpoa_client_follow(client, NULL, &error), "%s", error.text);
	cr_assert_eq(cpoa_client_gone_ms(client), 0);
	cr_assert(cpoa_client_enqueue(client, &asks, &ticket, &error), "%s", error.text);
	atomic_fetch_add(&proxy.epoch, 1);
	cr_assert(!cpoa_client_wait(client, &ticket, SOON_MS, NULL, NULL, &event, &error));
	cr_assert_eq(error.code, CPOA_CLIENT_REPLY_LOST, "%s", error.text);
	cr_assert_eq(next_news(client, &event), CPOA_CLIENT_GONE);
	cr_assert_eq(next_news(client, &event), CPOA_CLIENT_BACK);
	/* All goes on, by either connection. */
	world_agents(w, NULL);
	world_worker(w, NULL);
	cr_assert(cpoa_client_enqueue(client, &job, &ticket, &error), "%s", error.text);
	cr_assert(cpoa_client_wait(client, &ticket, SOON_MS, NULL, NULL, &event, &error), "%s",
		  error.text);
	same(event.workflow_id, ticket.workflow_id);
	cpoa_client_close(client);
	proxy_close(&proxy);
	world_close(w);
}

/* ---- what is sent ---- */

Test(client, a_message_is_as_the_contract_has_it)
{
	static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	struct world *w = world_open();
	const char *id = world_id(w, "mine");
	const struct cpoa_client_job jobs[] = {{.type = "popular_categories"},
					       {.type = "popular_categories",
						.arguments = "{\"a\": 1}",
						.idempotency_key = "k",
						.message_id = "m",
						.workflow_id = id,
						.traceparent = parent,
						.tracestate = "a=b"}};
	struct cpoa_client *client = connect_to(w->amqp_url);
	struct cpoa_client_ticket ticket;
	struct mq_message *m;
	struct err e = {0};

	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	cr_assert(mq_consume(world_mq(w), "cpoa.jobs.popular_categories", "jobs", false, &e));
	cr_assert(cpoa_client_enqueue(client, &jobs[0], &ticket, &error), "%s", error.text);
	m = world_delivery(w, "jobs", SOON_MS);
	same(m->exchange, "cpoa.jobs");
	same(m->routing_key, "popular_categories");
	same(m->content_type, "application/json");
	same(m->body, "{}");
	cr_assert_eq(m->delivery_mode, 2);
	cr_assert_lt((uint64_t)clock_wall_us() / 1000000 - m->timestamp, 60);
	same(m->message_id, ticket.message_id);
	same(mq_header(m, "X-Workflow-ID"), ticket.workflow_id);
	same(mq_header(m, "traceparent"), ticket.traceparent);
	cr_assert_null(mq_header(m, "X-Idempotency-Key"));
	cr_assert_null(m->reply_to);
	cr_assert(cpoa_client_enqueue(client, &jobs[1], &ticket, &error), "%s", error.text);
	while (strcmp((m = world_delivery(w, "jobs", SOON_MS))->body, "{}") == 0)
		world_events(w, NULL, NULL);
	same(m->body, "{\"a\": 1}");
	same(m->message_id, "m");
	same(mq_header(m, "X-Workflow-ID"), id);
	same(mq_header(m, "X-Idempotency-Key"), "k");
	same(mq_header(m, "traceparent"), parent);
	same(mq_header(m, "tracestate"), "a=b");
	cpoa_client_close(client);
	world_close(w);
}

/* ---- what cannot be done ---- */

Test(client, what_cannot_be_done_is_told_by_a_code_and_a_sentence)
{
	static const struct {
		struct cpoa_client_job job;
		enum cpoa_client_code code;
		const char *text;
	} rows[] = {
		{{.type = NULL}, CPOA_CLIENT_USAGE, "type"},
		{{.type = ""}, CPOA_CLIENT_USAGE, "type"},
		{{.type = "a", .arguments = "[]"}, CPOA_CLIENT_USAGE, "no JSON object"},
		{{.type = "a", .arguments = "{"}, CPOA_CLIENT_USAGE, "arguments"},
		{{.type = "a", .idempotency_key = ""}, CPOA_CLIENT_USAGE, "idempotency key"},
		{{.type = "a", .idempotency_key = "a\nb"}, CPOA_CLIENT_USAGE, "idempotency key"},
		{{.type = "a", .message_id = ""}, CPOA_CLIENT_USAGE, "message_id"},
		{{.type = "a", .workflow_id = "7"}, CPOA_CLIENT_USAGE, "UUID"},
		{{.type = "a", .traceparent = "7"}, CPOA_CLIENT_USAGE, "traceparent"},
		{{.type = "a", .tracestate = "\n"}, CPOA_CLIENT_USAGE, "tracestate"},
		{{.type = "nonsense"}, CPOA_CLIENT_UNROUTABLE, "no queue takes 'nonsense'"},
		{{.type = "popular_categories"}, CPOA_CLIENT_OK, ""},
	};
	struct world *w = world_open();
	struct cpoa_client_ticket ticket;
	struct cpoa_client *client = connect_to(w->amqp_url);
	const struct cpoa_client_job good = {.type = "popular_categories"};
	struct cpoa_client_options nowhere = {.url = "amqp://127.0.0.1:1/"};

	cr_assert(!cpoa_client_enqueue(client, &good, &ticket, &error));
	cr_assert_eq(error.code, CPOA_CLIENT_UNROUTABLE, "%s", error.text);
	has(error.text, "there is no exchange cpoa.jobs; run `cpoa topology apply`");
	cr_assert_eq(world_cpoa(w, NULL, "topology", "apply"), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		error = (struct cpoa_client_error){0};
		cr_assert_eq(cpoa_client_enqueue(client, &rows[i].job, &ticket, &error),
			     rows[i].code == CPOA_CLIENT_OK, "row %zu: %s", i, error.text);
		cr_assert_eq(error.code, rows[i].code, "row %zu: %s", i, error.text);
		has(error.text, rows[i].text);
	}
	cpoa_client_close(client);
	cr_assert_null(cpoa_client_connect(&nowhere, &error));
	cr_assert_eq(error.code, CPOA_CLIENT_LOST);
	nowhere.url = "http://127.0.0.1/";
	cr_assert_null(cpoa_client_connect(&nowhere, &error));
	cr_assert_eq(error.code, CPOA_CLIENT_USAGE);
	nowhere.url = NULL;
	cr_assert_null(cpoa_client_connect(&nowhere, &error));
	cpoa_client_close(NULL);
	world_close(w);
}
