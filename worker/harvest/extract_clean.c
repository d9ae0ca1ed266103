#include "harvest/extract_parts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "harvest/extract_words.h"

enum {
	REMAINDER_MIN = 250, /* characters of paragraphs that must be left when junk goes */
	SHY_MAX = 400,	     /* characters; a byline is no longer */
	SHORT = 120
};

/* Elements in which no article stands. */
static const bool outside[TAGS] = {
	[TAG_OUTSIDE] = true,
	[TAG_BUTTON] = true,
	[TAG_CAPTION] = true,
	[TAG_FIGURE] = true,
};

/* With more of its characters in links than this, such a part is a list of links. */
static const unsigned links_percent[TAGS] = {
	[TAG_LIST] = 50,    [TAG_TABLE] = 50,  [TAG_BLOCK] = 60,   [TAG_SECTION] = 60,
	[TAG_ARTICLE] = 60, [TAG_HEADER] = 60, [TAG_HEADING] = 60, [TAG_P] = 90,
	[TAG_ITEM] = 90,
};

static void strike(struct tree *t, unsigned i)
{
	t->part[i].gone = true;
}

/* Whether `i` holds so much of the page that a word in its class cannot condemn it. */
static bool is_bulk(const struct tree *t, unsigned i, unsigned total)
{
	const struct part *p = &t->part[i];
	if (p->good * 10ul < total * 3ul)
		return false;
	if (total - p->good < REMAINDER_MIN)
		return true;
	for (unsigned k = i; k < p->end; k++)
		if (t->part[k].tag == TAG_H1 || t->part[k].words & WORDS_BODY)
			return true;
	return p->good * 10ul > total * 8ul;
}

static bool is_shy(const struct part *p)
{
	return !outside[p->tag] && !(p->words & (WORDS_HIDDEN | WORDS_JUNK));
}

static bool is_junk(const struct part *p, enum strictness strictness)
{
	if (outside[p->tag] || p->words & WORDS_HIDDEN)
		return true;
	if (p->words & WORDS_BODY)
		return false;
	if (strictness == LENIENT)
		return p->words & WORDS_READERS;
	if (p->words & WORDS_JUNK)
		return true;
	return p->words & WORDS_SHY && p->chars < SHY_MAX;
}

/* A picture may be a frame around what is said, too. */
static bool holds_quote(const struct tree *t, unsigned i)
{
	for (unsigned k = i + 1; k < t->part[i].end; k++)
		if (t->part[k].tag == TAG_QUOTE)
			return true;
	return false;
}

/* The longest <article>; 0 when there are fewer than three, as on a page about one thing. */
static unsigned longest_article(const struct tree *t)
{
	unsigned longest = 0, count = 0;
	for (unsigned i = 1; i < t->n; i++)
		if (t->part[i].tag == TAG_ARTICLE) {
			count++;
			if (longest == 0 || t->part[i].good > t->part[longest].good)
				longest = i;
		}
	return count < 3 ? 0 : longest;
}

unsigned clean_page(struct tree *t, enum strictness strictness)
{
	unsigned lost = 0;
	for (unsigned i = 0; i < t->n; i++)
		t->part[i].gone = false;
	tree_count(t);
	unsigned total = t->part[0].good;
	unsigned article = longest_article(t);
	for (unsigned i = 1; i < t->n; i++) {
		struct part *p = &t->part[i];
		if (p->tag == TAG_TEXT || p->parent == 0)
			continue;
		bool junk = is_junk(p, strictness);
		if (junk && (p->tag == TAG_FIGURE || is_shy(p)))
			junk = !holds_quote(t, i);
		if (p->tag == TAG_ARTICLE && article != 0 && !tree_within(t, article, i))
			junk = p->good * 2 < t->part[article].good;
		if (!junk || is_bulk(t, i, total))
			continue;
		strike(t, i);
		if (!(p->words & (WORDS_READERS | WORDS_HIDDEN)) && p->good > lost &&
		    p->link_chars * 5ul < p->chars)
			lost = p->good;
		i = p->end - 1;
	}
	tree_count(t);
	return lost;
}

/* The start of a block's own text, for the tables. */
static size_t head_of(const struct tree *t, unsigned i, char *head, size_t max)
{
	size_t n = 0;
	for (unsigned k = i; k < t->part[i].end && n < max - 1; k++) {
		const struct part *p = &t->part[k];
		if (p->gone) {
			k = p->end - 1;
			continue;
		}
		if (p->tag != TAG_TEXT)
			continue;
		for (const char *s = p->text; *s != '\0' && n < max - 1; s++) {
			char c = isspace((unsigned char)*s) ? ' ' : (char)tolower((unsigned char)*s);
			if (c != ' ' || (n > 0 && head[n - 1] != ' '))
				head[n++] = c;
		}
	}
	while (n > 0 && head[n - 1] == ' ')
		n--;
	head[n] = '\0';
	return n;
}

static bool is_boilerplate(const char *head)
{
	static const char *const starts[] = {
		"read more", "read also", "also read", "related:", "related ", "advertisement",
		"see also", "more:", "share this", "follow us", "sign up", "subscribe", "photo:",
		"image:", "click here", "all rights reserved", "copyright", "\xc2\xa9", "like this:",
		"watch:", "filed under", "tags:", "posted in", "read next", "story continues",
		"(c) ", "source:", "leave a comment", "continue reading", "originally published",
	};
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (strncmp(head, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static bool is_heading(enum tag tag)
{
	return tag == TAG_HEADING || tag == TAG_H1;
}

/* Whether the links of a part are all that it has. */
static bool is_links(const struct part *p)
{
	unsigned percent = links_percent[p->tag];
	if (percent == 0 || p->link_chars * 100ul <= p->chars * (unsigned long)percent)
		return false;
	return p->tag == TAG_P || p->tag == TAG_ITEM || p->good * 4ul < p->chars;
}

static void clean_headings(struct tree *t, unsigned root)
{
	/* Backwards: a heading with nothing below it but another heading, or the end, heads nothing. */
	bool content = false;
	for (unsigned i = t->part[root].end; i-- > root + 1;) {
		struct part *p = &t->part[i];
		if (p->gone)
			continue;
		if (is_heading(p->tag)) {
			if (!content)
				strike(t, i);
			content = false;
		} else if (p->block == i && p->own > 0) {
			content = true;
		}
	}
}

static bool same_text(const char *head, const char *title)
{
	size_t n = 0;
	for (; *title != '\0'; title++) {
		char c = (char)tolower((unsigned char)*title);
		if (head[n] == '\0')
			break;
		if (c != head[n])
			return false;
		n++;
	}
	return n > 10 && head[n] == '\0';
}

void clean_article(struct tree *t, unsigned root, const char *title)
{
	char head[SHORT * 2];
	for (unsigned i = root + 1; i < t->part[root].end; i++) {
		struct part *p = &t->part[i];
		if (p->gone) {
			i = p->end - 1;
			continue;
		}
		if (p->tag == TAG_TEXT)
			continue;
		bool junk = p->tag == TAG_H1 || (p->chars > 0 && is_links(p));
		if (!junk && p->block == i && p->chars > 0 && p->chars < SHORT) {
			head_of(t, i, head, sizeof(head));
			junk = is_boilerplate(head) || same_text(head, title);
		}
		if (junk) {
			strike(t, i);
			i = p->end - 1;
		}
	}
	tree_count(t);
	clean_headings(t, root);
	tree_count(t);
}
