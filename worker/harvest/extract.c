#include "harvest/extract.h"

#include <stdlib.h>
#include <string.h>

#include "cpoa/err.h"
#include "harvest/charset.h"
#include "harvest/extract_parts.h"

enum {
	ENOUGH = 250 /* characters: with less, a page is looked at again with milder eyes */
};

static void add_title(struct text *out, const char *s, size_t len)
{
	text_add(out, s, len);
}

static void write_article(const struct tree *t, unsigned root, struct text *out)
{
	unsigned block = root;
	for (unsigned i = root; i < t->part[root].end; i++) {
		const struct part *p = &t->part[i];
		if (p->gone) {
			text_add(out, " ", 1);
			i = p->end - 1;
			continue;
		}
		if (p->block != block || p->block == i || p->tag == TAG_BR)
			text_break(out);
		block = p->block;
		if (p->tag == TAG_TEXT)
			text_add(out, p->text, strlen(p->text));
	}
	text_break(out);
}

static void extract_tree(struct extract *x, const struct strip *page, struct text *out)
{
	struct tree t;
	tree_init(&t, page);
	if (t.n > 0) {
		for (enum strictness s = STRICT; s <= LENIENT; s++) {
			unsigned lost = clean_page(&t, s);
			unsigned root = choose_root(&t);
			if (s < LENIENT && lost > 2 * t.part[root].good)
				continue;
			clean_article(&t, root, x->title);
			if (s < LENIENT && t.part[root].chars < ENOUGH)
				continue;
			write_article(&t, root, out);
			break;
		}
	}
	tree_release(&t);
}

void extract_page(struct extract *x, const char *html, size_t len, const char *charset)
{
	size_t utf8_len;
	struct strip page;
	struct text title, text;
	AUTO(free_ptr) char *utf8 = charset_to_utf8(
		html, len < EXTRACT_PAGE_MAX ? len : EXTRACT_PAGE_MAX, charset, &utf8_len);
	strip_page(&page, utf8, utf8_len);
	text_init(&title, EXTRACT_TITLE_MAX);
	struct slice from = page.headline.len > 0 ? page.headline : page.title;
	add_title(&title, from.s, from.len);
	x->title = strbuf_detach(&title.out, NULL);
	text_init(&text, utf8_len * 3 + 64);
	extract_tree(x, &page, &text);
	x->text = strbuf_detach(&text.out, &x->text_len);
	text_release(&text);
	text_release(&title);
	strip_release(&page);
}

void extract_release(struct extract *x)
{
	free(x->text);
	free(x->title);
	memset(x, 0, sizeof(*x));
}

char *extract_text(const char *html, size_t len, const char *charset, size_t *text_len)
{
	struct extract x;
	extract_page(&x, html, len, charset);
	if (text_len != NULL)
		*text_len = x.text_len;
	free(x.title);
	return x.text;
}
