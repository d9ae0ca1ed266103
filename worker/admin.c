/* admin: what a probe and a scraper see. */
#include "admin.h"

#include <stdatomic.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/log.h"

#include "bridge/stats.h"
#include "engine/build.h"
#include "engine/stats.h"

static const char json_mime[] = "application/json";
static const char metrics_mime[] = "text/plain; version=0.0.4; charset=utf-8";

static void put(struct strbuf *body, struct json_object *o, const char **type)
{
	size_t len;
	char *text = json_text(o, &len);

	strbuf_add(body, text, len);
	strbuf_addc(body, '\n');
	*type = json_mime;
	free_ptr(&text);
	json_put(&o);
}

static bool check(struct json_object *checks, const char *name, bool ok)
{
	json_set_str(checks, name, ok ? "ok" : "failed");
	return ok;
}

static int answer(struct strbuf *body, const char **type, struct json_object *checks, bool ok)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "status", ok ? "ok" : "unavailable");
	json_set(o, "checks", checks);
	put(body, o, type);
	return ok ? 200 : 503;
}

/* ---- a worker ---- */

static int livez(void *ctx, struct strbuf *body, const char **type)
{
	static const char *const names[THREAD_COUNT] = {[THREAD_INTAKE] = "intake",
							[THREAD_LEDGER] = "ledger",
							[THREAD_CALLER] = "caller",
							[THREAD_HARVESTER] = "harvester",
							[THREAD_OUTBOX] = "outbox"};
	struct house *house = ctx;
	struct json_object *checks = json_object_new_object();
	int64_t now = clock_mono_us();
	bool ok = true;

	for (int i = 0; i < THREAD_COUNT; i++)
		ok &= check(checks, names[i], house_ticks(house, (enum thread_index)i, now));
	return answer(body, type, checks, ok);
}

static int readyz(void *ctx, struct strbuf *body, const char **type)
{
	struct house *house = ctx;
	struct json_object *checks = json_object_new_object();
	bool ok = check(checks, "schema", atomic_load(&house->schema_ok));

	ok &= check(checks, "lease", atomic_load(&house->lease) != 0);
	/* A worker that holds as much as it may has closed its door on purpose. */
	ok &= check(checks, "consuming",
		    atomic_load(&house->consuming) ||
			    (atomic_load(&house->full) && atomic_load(&house->intake_connected)));
	ok &= check(checks, "publishing", atomic_load(&house->outbox_connected));
	ok &= check(checks, "not_draining", !atomic_load(&house->draining));
	return answer(body, type, checks, ok);
}

static int metrics(void *ctx, struct strbuf *body, const char **type)
{
	(void)ctx;
	*type = metrics_mime;
	stats_print(body);
	return 200;
}

static int version(void *ctx, struct strbuf *body, const char **type)
{
	(void)ctx;
	put(body, build_json(), type);
	return 200;
}

static const struct httpd_route worker_routes[] = {
	{"/livez", livez},     {"/readyz", readyz}, {"/metrics", metrics},
	{"/version", version}, {NULL, NULL},
};

/* ---- a bridge ---- */

static int bridge_livez(void *ctx, struct strbuf *body, const char **type)
{
	struct json_object *checks = json_object_new_object();
	bool ok = check(checks, "bridge", bridge_alive(ctx));

	return answer(body, type, checks, ok);
}

/* An ASF that is away is no fault of ours, and no other bridge would reach it. */
static int bridge_readyz(void *ctx, struct strbuf *body, const char **type)
{
	struct json_object *checks = json_object_new_object();
	bool ok = check(checks, "consuming", bridge_consuming(ctx));

	ok &= check(checks, "not_draining", !bridge_draining(ctx));
	return answer(body, type, checks, ok);
}

static int bridge_metrics(void *ctx, struct strbuf *body, const char **type)
{
	(void)ctx;
	*type = metrics_mime;
	bridge_stats_print(body);
	return 200;
}

static const struct httpd_route bridge_routes[] = {
	{"/livez", bridge_livez},
	{"/readyz", bridge_readyz},
	{"/metrics", bridge_metrics},
	{"/version", version},
	{NULL, NULL},
};

/* ---- the server ---- */

static struct httpd *serve(const struct settings *s, const struct httpd_route *routes, void *ctx,
			   struct err *e)
{
	struct httpd *h;

	if (s->http_port == 0)
		return NULL;
	h = httpd_start(s->http_bind, (uint16_t)s->http_port, routes, ctx, e);
	if (h)
		log_info("probes and metrics are served", log_int("server.port", httpd_port(h)),
			 LOG_END);
	else
		err_wrap(e, "CPOA_HTTP_PORT");
	return h;
}

struct httpd *admin_start(struct house *house, struct err *e)
{
	return serve(house->settings, worker_routes, house, e);
}

struct httpd *admin_start_bridge(struct bridge *bridge, const struct settings *s, struct err *e)
{
	return serve(s, bridge_routes, bridge, e);
}
