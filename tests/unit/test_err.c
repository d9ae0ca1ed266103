#include "cpoa/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/json.h"

Test(err, set_puts_class_and_text_and_clears_the_code)
{
	struct err e = {.class = ERR_LOST, .code = "40001", .text = "old"};

	cr_expect_not(err_set(&e, ERR_REJECT, "job %d: no %s", 7, "topic"));
	cr_expect_eq(e.class, ERR_REJECT);
	cr_expect_str_eq(e.text, "job 7: no topic");
	cr_expect_str_eq(e.code, "");
}

Test(err, wrap_keeps_class_and_code)
{
	struct err e;

	err_set(&e, ERR_RETRY, "deadlock");
	memcpy(e.code, "40P01", 6);
	cr_expect_not(err_wrap(&e, "landing %d replies", 3));
	cr_expect_eq(e.class, ERR_RETRY);
	cr_expect_str_eq(e.code, "40P01");
	cr_expect_str_eq(e.text, "landing 3 replies: deadlock");
}

Test(err, a_text_may_be_made_from_itself)
{
	struct err e;

	err_set(&e, ERR_RETRY, "inner");
	err_set(&e, ERR_LOST, "outer (%s)", e.text);
	cr_expect_str_eq(e.text, "outer (inner)");
	err_wrap(&e, "%s", e.text);
	cr_expect_str_eq(e.text, "outer (inner): outer (inner)");
}

Test(err, errno_is_told_in_words)
{
	struct err e;

	cr_expect_not(err_errno(&e, ERR_USAGE, ENOENT, "cannot open %s", "x"));
	cr_expect_eq(e.class, ERR_USAGE);
	cr_expect_str_eq(e.text, "cannot open x: No such file or directory");
}

Test(err, control_characters_become_spaces)
{
	struct err e;

	err_set(&e, ERR_REJECT, "%s",
		"a\nb\x01"
		"c\033[31m\x7f\xC3\xA4");
	cr_expect_str_eq(e.text, "a b c [31m \xC3\xA4");
}

Test(err, a_long_text_is_cut_between_characters)
{
	/* Of each width, so that the cut falls at every place within a character. */
	static const char *const characters[] = {"x", "\xC3\xA4", "\xE2\x82\xAC",
						 "\xF0\x9F\x98\x80"};

	for (size_t c = 0; c < 4; c++) {
		for (size_t shift = 0; shift < 5; shift++) {
			char text[ERR_TEXT_MAX * 2] = "";
			size_t width = strlen(characters[c]), len = shift;
			struct err e;

			memset(text, '-', shift);
			for (; len + width < sizeof(text); len += width)
				memcpy(text + len, characters[c], width);
			err_set(&e, ERR_REJECT, "%s", text);
			cr_expect(utf8_ok(e.text, strlen(e.text)), "width %zu shift %zu", width,
				  shift);
			cr_expect_gt(strlen(e.text), ERR_TEXT_MAX - 1 - width);
			err_wrap(&e, "%s", text);
			cr_expect(utf8_ok(e.text, strlen(e.text)));
			err_errno(&e, ERR_RETRY, ENOENT, "%s", text);
			cr_expect(utf8_ok(e.text, strlen(e.text)));
		}
	}
}

Test(err, bug_aborts, .signal = SIGABRT)
{
	BUG("expected %s", "here");
}

Test(err, no_class_is_a_bug, .signal = SIGABRT)
{
	struct err e;

	err_set(&e, ERR_NONE, "nothing");
}

Test(err, allocation_is_never_null)
{
	char *zero = xcalloc(3, 5);
	char *grown = xrealloc(NULL, 0);
	char *cut = xstrndup("abcdef", 3);

	for (int i = 0; i < 15; i++)
		cr_expect_eq(zero[i], 0);
	cr_expect_str_eq(cut, "abc");
	grown = xrealloc(grown, 100);
	memset(grown, 1, 100);
	free(zero);
	free(grown);
	free(cut);
	free(xmalloc(0));
	free(xcalloc(0, 8));
	free(xstrdup(""));
}

Test(err, auto_releases_when_the_scope_is_left)
{
	/* LeakSanitizer is the judge. */
	AUTO(free_ptr) char *p = xstrdup("gone");
	AUTO(free_ptr) char *none = NULL;

	cr_expect_str_eq(p, "gone");
	cr_expect_null(none);
}
