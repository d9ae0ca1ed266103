/*
 * world: the record of what was sent and got, line by line, for tests/contract/recorded.js: each
 * job that was published, each event that came, and at the end each job that a worker has taken
 * and each dead letter. In $CPOA_CONTRACT_DIR if that is set, else in the world's folder.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

#include "world_parts.h"

void world_open_record(struct world *w)
{
	const char *folder = getenv("CPOA_CONTRACT_DIR");

	cr_assert_lt(snprintf(w->record_path, sizeof(w->record_path), "%s/%s.jsonl",
			      folder && *folder ? folder : w->folder, w->name),
		     (int)sizeof(w->record_path));
	w->record = fopen(w->record_path, "w");
	cr_assert(w->record, "%s", w->record_path);
}

static void write_line(struct world *w, struct json_object *line)
{
	fprintf(w->record, "%s\n", json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN));
	json_object_put(line);
}

static struct json_object *line_of(const char *what)
{
	struct json_object *line = json_object_new_object();

	json_set_str(line, "what", what);
	return line;
}

static void set_if(struct json_object *o, const char *name, const char *value)
{
	if (value)
		json_set_str(o, name, value);
}

void world_record_job(struct world *w, const struct mq_publish *p)
{
	struct json_object *line = line_of("published"), *properties = json_object_new_object(),
			   *headers = json_object_new_object();

	set_if(properties, "content_type", p->content_type);
	set_if(properties, "message_id", p->message_id);
	set_if(properties, "correlation_id", p->correlation_id);
	set_if(properties, "reply_to", p->reply_to);
	for (size_t i = 0; i < p->n_headers; i++)
		set_if(headers, p->headers[i].name, p->headers[i].value);
	json_set_str(line, "routing_key", p->routing_key);
	json_set(line, "properties", properties);
	json_set(line, "headers", headers);
	json_set(line, "body", json_object_new_string_len(p->body, (int)p->len));
	write_line(w, line);
}

void world_record_event(struct world *w, const struct mq_message *m, struct json_object *body)
{
	struct json_object *line = line_of("event");

	/* A reply comes through the default exchange, under the name of a queue. */
	if (*m->exchange)
		json_set_str(line, "routing_key", m->routing_key);
	json_set_ref(line, "body", body);
	write_line(w, line);
}

/* A row of JSON is written as it stands. */
static void write_rows(struct world *w, const char *sql)
{
	const char *rows = world_rows(w, "%s", sql);

	if (*rows)
		fprintf(w->record, "%s\n", rows);
}

const char *world_record(struct world *w)
{
	if (world_count(w, "SELECT count(*) FROM pg_tables WHERE tablename = 'dead_letters'")) {
		write_rows(
			w,
			"SELECT json_build_object('what', 'admitted', 'type', trigger_event_type,"
			" 'key', idempotency_key, 'body', trigger_event_details_json)"
			" FROM workflow_instances WHERE job_digest IS NOT NULL");
		write_rows(w, "SELECT json_build_object('what', 'dead', 'row', to_jsonb(d))"
			      " FROM dead_letters d");
	}
	fflush(w->record);
	return w->record_path;
}

void world_close_record(struct world *w)
{
	fclose(w->record);
}
