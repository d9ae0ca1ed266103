/* agents: what the six agents answer. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/strbuf.h"

#include "agents/agents.h"
#include "simulation/pg.h"
#include "simulation/sim.h"
#include "simulation/web.h"
#include "simulation/world.h"

static struct response answer(int status, const char *body)
{
	return (struct response){.outcome = HTTP_ANSWERED,
				 .status = status,
				 .retry_after_ms = -1,
				 .body = body ? xstrdup(body) : NULL};
}

static struct response silence(enum http_outcome outcome)
{
	return (struct response){.outcome = outcome, .retry_after_ms = -1};
}

/* ---- work ---- */

struct work *web_work(const char *key)
{
	for (int i = 0; i < web.n_work; i++)
		if (strcmp(web.work[i].key, key) == 0)
			return &web.work[i];
	return NULL;
}

/* Each topic of TDA is a snippet to be made. */
static char *topics(void)
{
	int n = (int)sim_between(0, 3);
	struct strbuf sb;

	strbuf_init(&sb, 4096);
	strbuf_adds(&sb, "{\"status\":\"success\",\"discovered_topics\":[");
	for (int i = 0; i < n; i++)
		strbuf_addf(&sb,
			    "%s{\"topic_id\":\"t%d\",\"title_suggestion\":\"Topic "
			    "%d\",\"keywords\":[]}",
			    i ? "," : "", (int)sim_between(0, 9), i);
	strbuf_adds(&sb, "]}");
	return strbuf_detach(&sb, NULL);
}

static char *result_of(int agent)
{
	static const char *const results[AGENT_COUNT] = {
		[AGENT_WCHA] = "{\"status\":\"success\",\"content\":\"Bees dance.\","
			       "\"source_urls\":[\"http://a\"],\"message\":\"1 of 1\"}",
		[AGENT_PSWA] = "{\"script_id\":\"s1\",\"title\":\"On bees\",\"segments\":[{}]}",
		[AGENT_VFA] = "{\"status\":\"success\",\"message\":\"done\",\"audio_filepath\":"
			      "\"gs://b/a.mp3\",\"stream_id\":\"strm_1\",\"tts_settings_used\":{}}",
		[AGENT_IGA] = "{\"image_url\":\"http://i/1.png\"}",
	};
	char text[160];

	/* One in fifty holds what PostgreSQL will not store; as many say that they failed. */
	if (sim_chance(20))
		return xstrdup("{\"status\":\"success\",\"content\":\"" PG_POISON
			       "\",\"script_id\":"
			       "\"" PG_POISON
			       "\",\"title\":\"t\",\"segments\":[],\"snippet_id\":\"" PG_POISON
			       "\",\"image_url\":\"" PG_POISON
			       "\",\"topics\":[{\"title\":\"" PG_POISON "\"}]}");
	if (sim_chance(20))
		return xstrdup("{\"status\":\"error\",\"error_code\":\"E\",\"error\":\"e\","
			       "\"message\":\"no\"}");
	if (agent == AGENT_TDA)
		return topics();
	if (agent != AGENT_SCA)
		return xstrdup(results[agent]);
	snprintf(text, sizeof(text),
		 "{\"snippet_id\":\"sn%d\",\"title\":\"A snippet\",\"summary\":\"s\"%s}",
		 (int)sim_between(0, 99), sim_chance(500) ? ",\"cover_art_prompt\":\"a bee\"" : "");
	return xstrdup(text);
}

static void do_work(struct work *w)
{
	if (!w->result)
		w->result = result_of(w->agent);
}

static struct response accepted(struct work *w)
{
	bool whole = sim_chance(500);
	char body[160];

	if (!w->taken || w->task <= w->gone) {
		w->taken = true;
		w->task = web.tasks++;
		w->polls_left = (int)sim_between(0, 3);
	}
	snprintf(body, sizeof(body), "{\"task_id\":\"%d\",\"status_url\":\"%s%s/tasks/%d\"}",
		 w->task, whole ? "http://" : "", whole ? agent_labels[w->agent] : "", w->task);
	return answer(202, body);
}

/* ---- what goes wrong ---- */

static struct response busy(void)
{
	struct response r = answer(503, "{\"message\":\"busy\"}");

	if (sim_chance(500))
		r.retry_after_ms = sim_between(1, 3000);
	return r;
}

static struct response conflict(void)
{
	return sim_chance(500) ? answer(409, "{\"error_code\":\"CONFLICT\"}")
			       : answer(200, "{\"status\":\"PROCESSING_CONFLICT\"}");
}

static struct response lost_task(struct work *w, int task)
{
	w->gone = task > w->gone ? task : w->gone;
	return answer(404, "{\"message\":\"unknown task\"}");
}

/* A task to be polled where none of ours is; in words that are long, and not ASCII. */
static struct response misled(void)
{
	struct strbuf sb;
	struct response r;
	int n = (int)sim_between(0, 300);

	strbuf_init(&sb, 4096);
	strbuf_addf(&sb, "{\"task_id\":\"t\",\"status_url\":\"%s://elsewhere/%.*s",
		    sim_chance(500) ? "http" : "ftp", (int)sim_between(0, 2), "xx");
	for (int i = 0; i < n; i++)
		strbuf_adds(&sb, "\xe2\x82\xac");
	strbuf_adds(&sb, "\"}");
	r = answer(202, sb.buf);
	strbuf_release(&sb);
	return r;
}

static struct response submission_fault(struct work *w)
{
	switch (sim_between(0, 8)) {
	case 0:
		return silence(HTTP_UNREACHABLE);
	case 1: /* the work is done, and nobody hears of it */
		do_work(w);
		return silence(HTTP_BROKEN);
	case 2:
		do_work(w);
		return silence(HTTP_TIMEOUT);
	case 3:
		return conflict();
	case 4:
		return answer(200, "<html>garbage</html>");
	case 5:
		return answer(400, "{\"message\":\"no\"}");
	case 6:
		return sim_chance(200) ? silence(HTTP_TOO_LARGE) : misled();
	default:
		return busy();
	}
}

static struct response poll_fault(struct work *w, int task)
{
	switch (sim_between(0, 6)) {
	case 0:
		return silence(HTTP_UNREACHABLE);
	case 1:
		return silence(HTTP_TIMEOUT);
	case 2:
		return lost_task(w, task);
	case 3:
		w->gone = task > w->gone ? task : w->gone;
		return conflict();
	case 4:
		return answer(
			500, "{\"status\":\"FAILURE\",\"result\":{\"error\":{\"message\":\"m\"}}}");
	case 5:
		return answer(200, "garbage");
	default:
		return busy();
	}
}

/* ---- the answers ---- */

struct response agent_submitted(const char *key)
{
	struct work *w = web_work(key);

	assert(w);
	if (sim_chance(web.fault_per_mille))
		return submission_fault(w);
	if (w->result && !w->taken)
		return answer(200, w->result);
	if (w->taken || sim_chance(500))
		return accepted(w);
	do_work(w);
	return answer(200, w->result);
}

struct response agent_polled(const char *key, int task)
{
	struct work *w = web_work(key);
	char *body = NULL;
	struct response r;
	int n;

	assert(w);
	if (!w->taken || task != w->task)
		return lost_task(w, task);
	if (sim_chance(web.fault_per_mille))
		return poll_fault(w, task);
	if (w->polls_left-- > 0)
		return answer(202, "{\"status\":\"STARTED\"}");
	do_work(w);
	n = asprintf(&body, "{\"status\":\"SUCCESS\",\"result\":%s}", w->result);
	assert(n > 0);
	r = answer(200, body);
	free(body);
	return r;
}
