/* doctor: whether somebody answers at the agents' addresses. All are asked at once, for "/": no
 * work is ordered, and any answer will do. */
#include <poll.h>
#include <stdio.h>

#include "cpoa/http.h"

#include "ctl/doctor.h"

enum { ASK_MS = 4000, BODY_BYTES = 4 << 20 };

struct question {
	const char *name, *variable;
	char url[HTTP_URL_MAX];
	bool search;
	struct http_request request;
	int *left;
};

static const char *const variables[AGENT_COUNT] = {
	[AGENT_WCHA] = "WCHA_SERVICE_BASE_URL", [AGENT_PSWA] = "PSWA_SERVICE_URL",
	[AGENT_VFA] = "VFA_SERVICE_URL",	[AGENT_SCA] = "SCA_SERVICE_URL",
	[AGENT_IGA] = "IGA_SERVICE_URL",	[AGENT_TDA] = "TDA_SERVICE_URL",
};

static void on_done(struct http_request *r)
{
	--*((struct question *)r->owner)->left;
}

/* The search engine stands in for WCHA when that is harvested in process. */
static bool put_question(struct doctor *d, struct question *q, int agent, struct err *e)
{
	const struct settings *s = &d->settings;
	const char *base = s->agent[agent].url;

	q->search = agent == AGENT_WCHA && !*base;
	if (q->search)
		base = s->search_url;
	q->name = q->search ? "the search engine" : agent_labels[agent];
	q->variable = q->search ? "WCHA_SEARCH_URL" : variables[agent];
	if (!*base)
		return err_set(e, ERR_USAGE, "%s is empty", q->variable);
	q->request = (struct http_request){.method = "GET",
					   .url = q->url,
					   .timeout_ms = ASK_MS,
					   .body_max = BODY_BYTES,
					   .done = on_done,
					   .owner = q};
	return http_resolve(base, "/", q->url, e) || err_wrap(e, "%s", q->variable);
}

static void tell_answer(struct doctor *d, const struct question *q)
{
	const struct http_request *r = &q->request;
	char mend[160];

	snprintf(mend, sizeof(mend), "%s, or set %s to %s.",
		 q->search ? "Let this host reach it" : "Start it", q->variable,
		 q->search ? "another" : "where it listens");
	switch (r->outcome) {
	case HTTP_ANSWERED:
	case HTTP_TOO_LARGE:
		if (r->status >= 502 && r->status <= 504)
			doctor_warn(d, mend,
				    "%s: %s answers %d: a proxy that finds nobody behind it?",
				    q->name, q->url, r->status);
		else
			doctor_ok(d, "%s: %s answers", q->name, q->url);
		break;
	case HTTP_UNREACHABLE:
	case HTTP_TIMEOUT:
	case HTTP_BROKEN:
	case HTTP_BAD_REQUEST:
	case HTTP_WITHHELD:
		doctor_wrong(d, mend, "%s: %s: %s", q->name, q->url, r->error);
		break;
	}
}

static void await_all(struct http *http, const int *left)
{
	while (*left > 0) {
		struct pollfd p = {.fd = http_fd(http), .events = POLLIN};

		poll(&p, 1, http_wait_ms(http));
		http_work(http);
	}
}

void check_agents(struct doctor *d)
{
	const struct http_options options = {.user_agent = "cpoa doctor",
					     .ca_file = d->settings.agents_ca_file};
	struct question *questions = xcalloc(AGENT_COUNT, sizeof(*questions));
	struct http *http = NULL;
	struct err e = {0};
	int left = 0, n = 0;

	if (http_global_init(&e))
		http = http_new(&options, &e);
	if (!http)
		doctor_failed(d, "This program's libcurl does not work: install it anew.", &e);
	for (int i = 0; http && i < AGENT_COUNT; i++) {
		struct question *q = &questions[n];

		if (!put_question(d, q, i, &e)) {
			doctor_failed(d, "Set it to the agent's address.", &e);
			continue;
		}
		q->left = &left;
		n++;
		left++;
		http_start(http, &q->request);
	}
	if (http)
		await_all(http, &left);
	for (int i = 0; i < n; i++) {
		tell_answer(d, &questions[i]);
		http_request_release(&questions[i].request);
	}
	http_free(http);
	free_ptr(&questions);
}
