/* cpoa dead edit: mends the payload of a job that was refused; the original is kept. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpoa/json.h"

#include "engine/sql.h"

#include "ctl/body.h"
#include "ctl/connect.h"
#include "ctl/ctl.h"
#include "ctl/dead.h"
#include "ctl/output.h"

enum { PATH_SIZE = 256 };

static const char store_sql[] =
	"WITH d AS (UPDATE dead_letters SET original_body = coalesce(original_body, body),"
	" body = convert_to($9::text, 'UTF8'), edited_at = now() WHERE id = $8::bigint"
	" AND state = 'dead' AND workflow_id IS NULL AND (claimed_by IS NULL OR"
	" pg_try_advisory_xact_lock_shared($11::int, claimed_by::int)) RETURNING id) "
	"INSERT INTO replays (" AUDIT_COLUMNS ", dead_letter_id, outcome, detail) "
	"SELECT " AUDIT_VALUES ", id, 'edited', $10::text FROM d RETURNING id";

struct wish {
	const char *id, *file, *reason, *as;
	struct arg_list sets;
	bool dry_run;
	struct audit audit;
};

/* ---- the editor ---- */

static bool write_all(int fd, const char *text, size_t len, struct err *e)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return err_errno(e, ERR_USAGE, errno, "cannot write a temporary file");
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* Through a shell, for EDITOR may be a command with arguments. */
static bool run_editor(const char *path, struct err *e)
{
	const char *const argv[] = {"sh",   "-c", "exec ${VISUAL:-${EDITOR:-vi}} \"$1\"",
				    "cpoa", path, NULL};
	pid_t pid;
	int status = 0;
	int errnum = posix_spawnp(&pid, "sh", NULL, NULL, (char *const *)(uintptr_t)argv, environ);

	if (errnum)
		return err_errno(e, ERR_USAGE, errnum, "cannot start an editor");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
	       err_set(e, ERR_USAGE, "the editor did not end well; nothing was changed");
}

static bool edit_file(const char *path, int fd, const char *text, struct err *e)
{
	bool written = write_all(fd, text, strlen(text), e);

	close(fd);
	return written && run_editor(path, e);
}

/* `path`: the file with what was written in the editor; "": there is none. */
static struct json_object *edit_by_hand(const struct letter *l, char path[PATH_SIZE], struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	struct json_object *old = NULL;
	struct err ignored;
	bool edited;
	int fd;

	snprintf(path, PATH_SIZE, "%.200s/cpoa-dead-%.20s-XXXXXX", tmp ? tmp : "/tmp", l->id);
	fd = mkstemp(path);
	if (fd < 0) {
		err_errno(e, ERR_USAGE, errno, "cannot make a temporary file %s", path);
		*path = '\0';
		return NULL;
	}
	old = letter_object(l, &ignored);
	edited = edit_file(path, fd,
			   old ? json_object_to_json_string_ext(
					 old, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
						      JSON_C_TO_STRING_NOSLASHESCAPE)
			       : l->body,
			   e);
	json_put(&old);
	if (edited)
		return body_read(path, e);
	unlink(path);
	*path = '\0';
	return NULL;
}

/* ---- the new payload ---- */

static struct json_object *new_body(const struct wish *wish, const struct letter *l,
				    char path[PATH_SIZE], struct err *e)
{
	struct json_object *body = NULL;

	if (wish->file)
		body = body_read(wish->file, e);
	else if (wish->sets.n)
		body = letter_object(l, e);
	else if (isatty(STDIN_FILENO))
		body = edit_by_hand(l, path, e);
	else
		err_set(e, ERR_USAGE, "give --json FILE or --set; an editor needs a terminal");
	for (int i = 0; body && i < wish->sets.n; i++)
		if (!body_set(body, "--set", wish->sets.item[i], e))
			json_put(&body);
	return body;
}

static bool editable(const struct letter *l, struct err *e)
{
	if (letter_is_workflow(l))
		return err_set(e, ERR_REJECT,
			       "%s is a workflow that failed: its agents would answer its keys as "
			       "before. Give a new job: cpoa dead show %s --payload | cpoa enqueue "
			       "%s --json -",
			       l->id, l->id, l->type);
	return strcmp(l->state, "dead") == 0 ||
	       err_set(e, ERR_REJECT, "%s is %s; only a dead one is edited", l->id, l->state);
}

static int store_edit(const struct wish *wish, struct db *db, const struct letter *l,
		      size_t old_len)
{
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	const char *params[AUDIT_PARAMS + 4];
	char detail[96], class[16];
	struct err e = {0};

	snprintf(detail, sizeof(detail), "%zu bytes in place of %zu", l->len, old_len);
	snprintf(class, sizeof(class), "%d", LEASE_CLASS);
	audit_params(&wish->audit, params);
	params[AUDIT_PARAMS] = wish->id;
	params[AUDIT_PARAMS + 1] = l->body;
	params[AUDIT_PARAMS + 2] = detail;
	params[AUDIT_PARAMS + 3] = class;
	r = db_query(db, store_sql, AUDIT_PARAMS + 4, params, &e);
	if (!r)
		return complain_query(&e);
	if (db_rows(r) == 0) {
		say("%s is being replayed now; nothing was changed", wish->id);
		return EXIT_REFUSED;
	}
	printf("edited %s: %s; `cpoa dead replay %s` publishes it\n", wish->id, detail, wish->id);
	return EXIT_DONE;
}

static int edit(const struct wish *wish, struct db *db, struct letter *l, char path[PATH_SIZE])
{
	AUTO(json_put) struct json_object *body = NULL;
	AUTO(free_ptr) char *old = xstrndup(l->body, l->len);
	size_t old_len = l->len;
	struct err e = {0};

	if (!editable(l, &e))
		return complain(&e);
	body = new_body(wish, l, path, &e);
	if (!body)
		return complain(&e);
	letter_set_body(l, body);
	l->edited_us = 1;
	if (l->len == old_len && memcmp(l->body, old, old_len) == 0) {
		say("that is what it was; nothing was changed");
		return EXIT_DONE;
	}
	if (!letter_check(l, &e)) {
		say("it would be refused again: %s", e.text);
		return EXIT_REFUSED;
	}
	if (!wish->dry_run)
		return store_edit(wish, db, l, old_len);
	printf("would edit %s: %zu bytes in place of %zu\n", wish->id, l->len, old_len);
	return EXIT_DONE;
}

/* What somebody has typed is not lost with a comma. */
static int edit_and_tidy(const struct wish *wish, struct db *db, struct letter *l)
{
	char path[PATH_SIZE] = "";
	int code = edit(wish, db, l, path);

	if (*path && code == EXIT_DONE)
		unlink(path);
	else if (*path)
		say("what you wrote is kept in %s; mend it, and cpoa dead edit %s --json %s", path,
		    wish->id, path);
	return code;
}

/* ---- the command ---- */

static int run(const struct wish *wish)
{
	AUTO(settings_release) struct settings s = {0};
	AUTO(db_close_ptr) struct db *db = NULL;
	AUTO(db_result_free_ptr) struct db_result *r = NULL;
	AUTO(letter_release) struct letter l = {0};
	int code = connect_db(&s, &db);

	if (code == EXIT_DONE)
		code = letter_find(&l, db, wish->id, &r);
	return code == EXIT_DONE ? edit_and_tidy(wish, db, &l) : code;
}

int dead_edit(int argc, char **argv)
{
	struct wish wish = {0};
	const struct arg_option options[] = {
		{"json", .text = &wish.file},	       {"set", .list = &wish.sets},
		{"reason-text", .text = &wish.reason}, {"as", .text = &wish.as},
		{"dry-run", .flag = &wish.dry_run},    {0},
	};
	struct args operands;
	struct err e = {0};
	int code;

	audit_begin(&wish.audit, "edit", NULL, "cpoa dead", argc, argv);
	if (!args_parse(&operands, "dead edit", argc, argv, options, &e) ||
	    !args_count(&operands, "dead edit", 1, 1, "the id of a dead letter", &e) ||
	    !dead_id_ok(operands.item[0], &e)) {
		audit_release(&wish.audit);
		return complain(&e);
	}
	wish.id = operands.item[0];
	audit_explain(&wish.audit, wish.reason, wish.as);
	code = run(&wish);
	audit_release(&wish.audit);
	return code;
}
