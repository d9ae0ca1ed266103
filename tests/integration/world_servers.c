/* world: its place on the servers, and HTTP. */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cpoa/json.h"

#include "world_parts.h"

enum { ANSWER_MAX = 256 << 20, ROWS_MAX = 64 << 20, LOCK_KEY = 7305 };

/* ---- HTTP ---- */

static size_t collect(char *data, size_t size, size_t n, void *answer)
{
	strbuf_add(answer, data, size * n);
	return size * n;
}

int http_exchange(const char *method, const char *url, const char *body, char **answer)
{
	const char *user = strstr(getenv("AMQP_URL"), "://");
	char login[128] = "";
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	struct strbuf sb;
	long status = 0;

	strbuf_init(&sb, ANSWER_MAX);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20000L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &sb);
	if (strstr(url, "/api/")) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		/* RabbitMQ's management takes the login of its messages. */
		cr_assert_eq(sscanf(user, "://%127[^@]", login), 1);
		curl_easy_setopt(curl, CURLOPT_USERPWD, login);
	}
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	if (answer)
		*answer = strbuf_detach(&sb, NULL);
	strbuf_release(&sb);
	return (int)status;
}

int world_api(struct world *w, const char *method, const char *path, const char *body)
{
	const char *vhost = strstr(path, "{vhost}");
	size_t before = vhost ? (size_t)(vhost - path) : strlen(path);
	struct strbuf url;
	int status;

	strbuf_init(&url, 4096);
	strbuf_adds(&url, getenv("CPOA_TEST_MQ_API"));
	strbuf_add(&url, path, before);
	if (vhost)
		strbuf_addf(&url, "%s%s", w->name, vhost + strlen("{vhost}"));
	status = http_exchange(method, url.buf, body, NULL);
	strbuf_release(&url);
	return status;
}

int world_queue(struct world *w, const char *queue)
{
	uint32_t ready = 0;
	struct err e;

	cr_assert(mq_inspect_queue(world_mq(w), queue, &ready, NULL, &e), "%s", e.text);
	return (int)ready;
}

void world_reject(struct world *w, const char *type, const char *requeue)
{
	const char *path = world_format(w, "/api/queues/{vhost}/cpoa.jobs.%s/get", type);

	cr_assert_eq(world_api(w, "POST", path,
			       world_format(w,
					    "{\"count\":1,\"ackmode\":\"reject_requeue_%s\","
					    "\"encoding\":\"auto\"}",
					    requeue)),
		     200);
}

/* ---- the stand-ins' own routes ---- */

static struct json_object *ask_agents(struct world *w, const char *method, const char *path,
				      const char *body)
{
	char url[512], *answer;
	struct json_object *o = NULL;
	struct err e = {0};
	int status;

	cr_assert_lt(snprintf(url, sizeof(url), "%s%s", w->agents_url, path), (int)sizeof(url));
	status = http_exchange(method, url, body, &answer);
	cr_assert_eq(status, 200, "%s: %d %s", url, status, answer);
	if (*answer)
		cr_assert_eq(
			json_read(answer, strlen(answer), JSON_DEPTH_MAX + 8, JSON_MEND, &o, &e),
			JSON_OK, "%s: %s", url, e.text);
	free(answer);
	return o;
}

static void put_json(void *o)
{
	json_object_put(o);
}

void world_control(struct world *w, const char *json)
{
	json_object_put(ask_agents(w, "POST", "/control", json));
}

struct json_object *world_calls(struct world *w, const char *query)
{
	return world_keep(w, ask_agents(w, "GET", world_format(w, "/calls?%s", query), NULL),
			  put_json);
}

int world_call_count(struct world *w, const char *query)
{
	return (int)json_object_array_length(world_calls(w, query));
}

int64_t world_stat(struct world *w, const char *agent, const char *member)
{
	struct json_object *o = world_keep(w, ask_agents(w, "GET", "/stats", NULL), put_json);

	return json_num(json_obj(o, agent), member, -1);
}

/* ---- vhost ---- */

void world_make_vhost(struct world *w)
{
	static const char all[] = "{\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}";
	const char *url = getenv("AMQP_URL"), *host = strstr(url, "://");
	char server[128] = "";
	size_t n;
	int status;

	cr_assert(host);
	n = (size_t)(host - url) + 3;
	n += strcspn(url + n, "/");
	cr_assert_lt(n, sizeof(server));
	memcpy(server, url, n);
	snprintf(w->amqp_url, sizeof(w->amqp_url), "%s/%s", server, w->name);
	status = world_api(w, "PUT", "/api/vhosts/{vhost}", "{}");
	cr_assert(status == 201 || status == 204, "PUT vhost: %d", status);
	status = world_api(w, "PUT", "/api/permissions/{vhost}/guest", all);
	cr_assert(status == 201 || status == 204, "PUT permissions: %d", status);
}

/* ---- database ---- */

static struct db *open_as(const char *user, const char *name)
{
	const char *port = getenv("POSTGRES_PORT");
	struct db_options o = {
		.host = getenv("POSTGRES_HOST"),
		.user = user,
		.password = getenv("POSTGRES_PASSWORD"),
		.dbname = name,
		.port = port ? strtol(port, NULL, 10) : 5432,
		.application_name = "test",
		.connect_timeout_s = 10,
	};
	struct err e;
	struct db *db = db_open(&o, &e);

	cr_assert(db, "%s", e.text);
	return db;
}

static struct db *open_db(const char *name)
{
	return open_as(getenv("POSTGRES_USER"), name);
}

static struct db_result *query(struct db *db, const char *sql)
{
	struct err e;
	struct db_result *r = db_query(db, sql, 0, NULL, &e);

	cr_assert(r, "%s: %s", sql, e.text);
	return r;
}

static void run_sql(struct db *db, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void run_sql(struct db *db, const char *fmt, ...)
{
	char sql[512];
	va_list ap;

	va_start(ap, fmt);
	cr_assert_lt(vsnprintf(sql, sizeof(sql), fmt, ap), (int)sizeof(sql));
	va_end(ap);
	db_result_free(query(db, sql));
}

/* The schema of this very binary: another build's template is another one. */
static void template_name(char name[64])
{
	struct stat st;

	cr_assert_eq(stat(getenv("CPOA_BIN"), &st), 0, "%s", getenv("CPOA_BIN"));
	snprintf(name, 64, "cpoa_template_%llx_%llx", (unsigned long long)st.st_ino,
		 (unsigned long long)st.st_mtim.tv_sec * 1000 +
			 (unsigned long long)st.st_mtim.tv_nsec / 1000000);
}

static void make_template(struct world *w, struct db *admin, const char *template)
{
	const char *role = getenv("CPOA_TEST_WORK_USER");
	char own[64], sql[256];
	struct db_result *r;
	int known;

	run_sql(admin, "SELECT pg_advisory_lock(%d)", LOCK_KEY);
	snprintf(sql, sizeof(sql), "SELECT 1 FROM pg_database WHERE datname = '%s'", template);
	r = query(admin, sql);
	known = db_rows(r);
	db_result_free(r);
	if (!known) {
		memcpy(own, w->name, sizeof(own));
		run_sql(admin, "CREATE DATABASE %s TEMPLATE template0", own);
		cr_assert_eq(world_cpoa(w, NULL, "migrate", role ? "--grant" : NULL, role), 0);
		run_sql(admin, "ALTER DATABASE %s RENAME TO %s", own, template);
	}
	run_sql(admin, "SELECT pg_advisory_unlock(%d)", LOCK_KEY);
}

void world_make_database(struct world *w, bool migrated)
{
	struct db *admin = open_db(getenv("POSTGRES_DB"));
	char template[64] = "template0";

	if (migrated) {
		template_name(template);
		make_template(w, admin, template);
	}
	run_sql(admin, "CREATE DATABASE %s TEMPLATE %s", w->name, template);
	db_close(admin);
	w->db = open_db(w->name);
}

void world_forget_db(struct world *w)
{
	db_close(w->db);
	w->db = NULL;
}

struct doomed {
	struct db *admin;
	const char *name;
	struct err e;
};

/*
 * FORCE may not end autovacuum, which is the superuser's, and fails with 42501
 * while it is in there: it leaves by itself.
 */
static bool is_dropped(void *ctx)
{
	struct doomed *d = ctx;
	char sql[128];
	struct db_result *r;

	snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", d->name);
	r = db_query(d->admin, sql, 0, NULL, &d->e);
	if (r)
		db_result_free(r);
	else
		cr_assert(strstr(d->e.text, "42501"), "%s: %s", sql, d->e.text);
	return r;
}

void world_drop(struct world *w)
{
	struct db *admin = open_db(getenv("POSTGRES_DB"));
	struct doomed doomed;

	world_forget_db(w);
	doomed = (struct doomed){.admin = admin, .name = w->name};
	cr_assert(await(is_dropped, &doomed, 30000), "%s", doomed.e.text);
	db_close(admin);
	world_api(w, "DELETE", "/api/vhosts/{vhost}", NULL);
}

static char *rows_text(struct world *w, const char *sql)
{
	struct db_result *r;
	struct strbuf sb;

	if (!w->db)
		w->db = open_db(w->name);
	r = query(w->db, sql);
	strbuf_init(&sb, ROWS_MAX);
	for (int row = 0; row < db_rows(r); row++) {
		if (row)
			strbuf_addc(&sb, '\n');
		for (int col = 0; col < db_columns(r); col++) {
			if (col)
				strbuf_addc(&sb, '|');
			strbuf_adds(&sb, db_is_null(r, row, col) ? "null" : db_text(r, row, col));
		}
	}
	db_result_free(r);
	cr_assert(!sb.failed);
	return strbuf_detach(&sb, NULL);
}

#define FORMATTED(sql)                 \
	struct strbuf sql;             \
	va_list ap;                    \
	strbuf_init(&(sql), 1 << 20);  \
	va_start(ap, fmt);             \
	strbuf_vaddf(&(sql), fmt, ap); \
	va_end(ap)

const char *world_rows(struct world *w, const char *fmt, ...)
{
	char *text;

	FORMATTED(sql);
	text = rows_text(w, sql.buf);
	strbuf_release(&sql);
	return world_keep(w, text, free);
}

int64_t world_count(struct world *w, const char *fmt, ...)
{
	char *text;
	int64_t n;

	FORMATTED(sql);
	text = rows_text(w, sql.buf);
	n = strtoll(text, NULL, 10);
	free(text);
	strbuf_release(&sql);
	return n;
}

void world_sql(struct world *w, const char *fmt, ...)
{
	FORMATTED(sql);
	free(rows_text(w, sql.buf));
	strbuf_release(&sql);
}

void world_sql_as_superuser(struct world *w, const char *fmt, ...)
{
	struct db *db = open_as("postgres", w->name);
	struct err e;

	FORMATTED(sql);
	cr_assert(db_script(db, sql.buf, &e), "%s: %s", sql.buf, e.text);
	strbuf_release(&sql);
	db_close(db);
}

struct expectation {
	struct world *w;
	const char *expected, *sql;
};

static bool rows_are(void *ctx)
{
	struct expectation *x = ctx;
	char *text = rows_text(x->w, x->sql);
	bool same_text = strcmp(text, x->expected) == 0;

	free(text);
	return same_text;
}

bool await_rows(struct world *w, const char *expected, const char *sql, int64_t ms)
{
	return await(rows_are, &(struct expectation){w, expected, sql}, ms);
}
