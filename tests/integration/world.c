/* world: from its opening to its end. */
#include "world.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpoa/clock.h"
#include "cpoa/json.h"
#include "cpoa/uuid.h"

#include "world_parts.h"

enum { TEXT_MAX = 64 << 20, END_MS = 15000 };

bool await(bool (*condition)(void *ctx), void *ctx, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (!condition(ctx)) {
		if (clock_mono_ms() >= until)
			return false;
		poll(NULL, 0, 10);
	}
	return true;
}

static bool never(void *ctx)
{
	return ctx != NULL;
}

void let_pass(int64_t ms)
{
	cr_assert(!await(never, NULL, ms));
}

/* ---- what belongs to the world ---- */

void *world_keep(struct world *w, void *thing, void (*release)(void *thing))
{
	struct keepsake *k = xmalloc(sizeof(*k));

	*k = (struct keepsake){w->kept, thing, release};
	w->kept = k;
	return thing;
}

const char *world_format(struct world *w, const char *fmt, ...)
{
	struct strbuf sb;
	va_list ap;

	strbuf_init(&sb, TEXT_MAX);
	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	cr_assert(!sb.failed);
	return world_keep(w, strbuf_detach(&sb, NULL), free);
}

const char *world_folder(struct world *w)
{
	return w->folder;
}

const char *world_id(struct world *w, const char *name)
{
	struct uuid id = uuid_named(&w->space, name, strlen(name));
	char *text = xmalloc(UUID_TEXT_SIZE);

	uuid_to_text(&id, text);
	return world_keep(w, text, free);
}

const char *json_at(struct json_object *o, const char *path)
{
	char name[128];
	size_t n;

	for (; *path; path += n + (path[n] == '.')) {
		n = strcspn(path, ".");
		cr_assert(n < sizeof(name));
		memcpy(name, path, n);
		name[n] = '\0';
		if (json_object_is_type(o, json_type_array))
			o = json_object_array_get_idx(o, strtoul(name, NULL, 10));
		else if (!json_object_object_get_ex(o, name, &o))
			return "absent";
	}
	if (json_object_is_type(o, json_type_string))
		return json_object_get_string(o);
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* ---- secrets ---- */

static void expect_unsaid(const char *where, const char *text)
{
	const char *secret = getenv("CPOA_TEST_SECRET");
	const char *at = secret && text ? strstr(text, secret) : NULL;

	cr_assert(!at, "a password stands in %s: ...%.300s", where,
		  at ? at - (at - text < 200 ? at - text : 200) : "");
}

/* What processes have written. */
static int look_into(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	const char *end = strrchr(path, '.');
	char *text;

	(void)st;
	(void)ftw;
	if (kind != FTW_F || !end || (strcmp(end, ".log") != 0 && strcmp(end, ".out") != 0))
		return 0;
	text = file_read(path);
	expect_unsaid(path, text);
	free(text);
	return 0;
}

/* The servers' passwords must not be said: in no log, output, event or reply. */
static void expect_no_secret(struct world *w)
{
	nftw(w->folder, look_into, 16, FTW_PHYS);
	for (int i = 0; i < w->n_seen; i++)
		expect_unsaid("an event", w->seen[i].message->body);
	for (struct mq_message *m = w->deliveries; m; m = m->next)
		expect_unsaid("a reply", m->body);
}

/* ---- opening and closing ---- */

/* A test that fails leaves its world open: no leak to tell of. */
static struct world *volatile open_one;

static void need_environment(void)
{
	static const char *const names[] = {"AMQP_URL", "CPOA_TEST_MQ_API", "POSTGRES_HOST",
					    "CPOA_BIN", "CPOA_AGENTS_BIN"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!getenv(names[i]))
			cr_skip("%s is unset", names[i]);
}

static struct world *open_world(bool migrated)
{
	struct world *w = xcalloc(1, sizeof(*w));
	const char *tmp = getenv("TMPDIR");
	char id[UUID_TEXT_SIZE];

	need_environment();
	open_one = w;
	w->as_owner = !migrated; /* nobody else may do anything there */
	w->space = uuid_new();
	uuid_to_text(&w->space, id);
	snprintf(w->name, sizeof(w->name), "cpoa_test_%ld_%.8s", (long)getpid(), id + 28);
	snprintf(w->folder, sizeof(w->folder), "%s/%s", tmp ? tmp : "/tmp", w->name);
	cr_assert_eq(mkdir(w->folder, 0755), 0, "%s", w->folder);
	world_open_record(w);
	world_make_vhost(w);
	world_make_database(w, migrated);
	world_listen(w);
	return w;
}

struct world *world_open(void)
{
	return open_world(true);
}

struct world *world_open_unmigrated(void)
{
	return open_world(false);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void free_world(struct world *w)
{
	struct keepsake *k;

	if (w->agents.pid)
		child_kill(&w->agents);
	if (w->asf.pid)
		child_kill(&w->asf);
	expect_no_secret(w);
	world_stop_listening(w);
	world_forget_db(w);
	world_record(w);
	world_close_record(w);
	world_drop(w);
	while ((k = w->kept)) {
		w->kept = k->next;
		k->release(k->thing);
		free(k);
	}
	nftw(w->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	open_one = NULL;
	free(w);
}

static void expect_no_report(const struct child *c)
{
	static const char *const reports[] = {"ERROR: AddressSanitizer",
					      "ERROR: LeakSanitizer",
					      "WARNING: ThreadSanitizer",
					      "runtime error:",
					      "Assertion",
					      "BUG:"};
	char *text = file_read(c->log);

	for (size_t i = 0; i < sizeof(reports) / sizeof(*reports); i++) {
		const char *at = strstr(text, reports[i]);

		cr_assert(!at, "%s: %.3000s", c->log, at);
	}
	free(text);
}

void world_close(struct world *w)
{
	for (int i = 0; i < w->n_workers; i++) {
		struct child *c = &w->worker[i];

		if (!c->reaped)
			kill(c->pid, SIGTERM);
	}
	for (int i = 0; i < w->n_workers; i++) {
		struct child *c = &w->worker[i];

		if (!c->reaped) {
			cr_assert(child_wait(c, END_MS), "worker %d does not end: %s", i, c->log);
			cr_assert_eq(c->code, 0, "worker %d ended with %d: %s", i, c->code, c->log);
		}
		expect_no_report(c);
	}
	/* What has come and was not asked for is recorded too. */
	if (!w->losses_expected)
		world_events(w, NULL, NULL);
	free_world(w);
}

void world_abandon(struct world *w)
{
	for (int i = 0; i < w->n_workers; i++) {
		child_kill(&w->worker[i]);
		expect_no_report(&w->worker[i]);
	}
	free_world(w);
}
