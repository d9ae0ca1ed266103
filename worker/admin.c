/* admin: what a probe and a scraper see. */
#include "admin.h"

#include <stdatomic.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/log.h"

#include "engine/build.h"
#include "engine/stats.h"

static const char json_mime[] = "application/json";

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
	*type = "text/plain; version=0.0.4; charset=utf-8";
	stats_print(body);
	return 200;
}

static int version(void *ctx, struct strbuf *body, const char **type)
{
	(void)ctx;
	put(body, build_json(), type);
	return 200;
}

static const struct httpd_route routes[] = {
	{"/livez", livez},     {"/readyz", readyz}, {"/metrics", metrics},
	{"/version", version}, {NULL, NULL},
};

struct httpd *admin_start(struct house *house, struct err *e)
{
	const struct settings *s = house->settings;
	struct httpd *h;

	if (s->http_port == 0)
		return NULL;
	h = httpd_start(s->http_bind, (uint16_t)s->http_port, routes, house, e);
	if (h)
		log_info("probes and metrics are served", log_int("server.port", httpd_port(h)),
			 LOG_END);
	else
		err_wrap(e, "CPOA_HTTP_PORT");
	return h;
}
