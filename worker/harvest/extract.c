#include "harvest/extract.h"

#include <stdlib.h>
#include <string.h>

#include "cpoa/err.h"
#include "harvest/charset.h"
#include "harvest/extract_parts.h"

enum {
	ENOUGH = 250,  /* characters: with less, a page is looked at again with milder eyes */
	THIN = 700,    /* and with less than this, if that promises more */
	HEAD_TIMES = 2 /* so much longer is the text for search engines when ours is wrong */
};

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

/* Cleans the tree and returns where the article is. */
static unsigned find_article(struct tree *t, const char *title)
{
	for (enum strictness strictness = STRICT;; strictness = LENIENT) {
		unsigned lost = clean_page(t, strictness);
		unsigned root = choose_root(t);
		const struct part *p = &t->part[root];
		if (strictness == STRICT && p->good < THIN && lost > 2 * p->good)
			continue;
		clean_article(t, root, title);
		if (strictness == LENIENT || p->chars >= ENOUGH)
			return root;
	}
}

static void write_text(const struct strip *page, const char *title, struct text *out)
{
	struct tree t;
	tree_init(&t, page);
	if (t.n > 0)
		write_article(&t, find_article(&t, title), out);
	tree_release(&t);
}

static void take(char **to, size_t *len, struct text *from)
{
	/* The end of the last line. */
	if (from->out.len > 0 && from->out.buf[from->out.len - 1] == '\n')
		strbuf_cut(&from->out, from->out.len - 1);
	*to = strbuf_detach(&from->out, len);
}

void extract_page(struct extract *x, const char *html, size_t len, const char *charset)
{
	struct strip page;
	struct text title, text, head;
	size_t utf8_len, title_len;
	if (len > EXTRACT_PAGE_MAX)
		len = EXTRACT_PAGE_MAX;
	AUTO(free_ptr) char *utf8 = charset_to_utf8(html, len, charset, &utf8_len);
	strip_page(&page, utf8, utf8_len);
	text_init(&title, EXTRACT_TITLE_MAX);
	head_title(&page, &title);
	take(&x->title, &title_len, &title);
	/* A character may become three bytes (text.c), and each word gets a space. */
	text_init(&text, 3 * utf8_len + 64);
	text_init(&head, 3 * utf8_len + 64);
	write_text(&page, x->title, &text);
	head_body(&page, &head);
	bool missed = head.out.len >= ENOUGH && head.out.len > HEAD_TIMES * text.out.len;
	take(&x->text, &x->text_len, missed ? &head : &text);
	text_release(&head);
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
