#include "harvest/extract_parts.h"

#include "harvest/extract_words.h"

enum {
	REMAINDER_MIN = 250, /* characters of paragraphs that must be left when junk goes */
	SHY_MAX = 400,	     /* characters; a byline is no longer */
	BODY_MIN = 500,	     /* characters of a body that is worth the name */
	BODY_REST = 2000,    /* and of what is left of it, if it can do without a part */
	CARD_MAX = 900,	     /* characters of a part that presents another page */
	CARDS_MIN = 4,
	LAST_MIN = 100 /* characters of a paragraph after which an article may end */
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
	[TAG_LIST] = 50,    [TAG_TABLE] = 50,	[TAG_BLOCK] = 60,
	[TAG_SECTION] = 60, [TAG_ARTICLE] = 60, [TAG_HEADER] = 60,
	[TAG_HEADING] = 60, [TAG_P] = 90,	[TAG_ITEM] = 90,
};

static void strike(struct tree *t, unsigned i)
{
	t->part[i].gone = true;
}

/* Whether `i` holds so much of the page that a word in its class cannot condemn it. */
static bool is_bulk(const struct tree *t, unsigned i, unsigned total)
{
	const struct part *p = &t->part[i];
	const struct part *body = &t->part[p->body];
	if (p->body != 0 && !outside[p->tag] && !(p->words & WORDS_READERS) &&
	    p->good >= BODY_MIN && p->good * 2ul > body->good && body->good - p->good < BODY_REST)
		return true;
	if (p->good == 0 || p->good * 10ul < total * 3ul)
		return false;
	if (total - p->good < REMAINDER_MIN)
		return true;
	for (unsigned k = i; k < p->end; k++)
		if (t->part[k].tag == TAG_H1 ||
		    (t->part[k].words & WORDS_BODY && t->part[k].good * 2ul > p->good))
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

/* Whether `i` lists other pages: many small parts, nearly each with a title that is a link. */
static bool is_listing(const struct tree *t, unsigned i)
{
	unsigned cards = 0, titled = 0;
	if (t->part[i].tag == TAG_TEXT || !t->part[i].titled)
		return false;
	for (unsigned k = i + 1; k < t->part[i].end; k = t->part[k].end) {
		const struct part *p = &t->part[k];
		if (p->chars == 0)
			continue;
		if (p->chars > CARD_MAX)
			return false;
		cards++;
		titled += p->titled && p->good > 0;
	}
	/* An article may be a list of things, each with its link. */
	const struct part *p = &t->part[i];
	if (p->body != 0 && p->good * 2ul > t->part[p->body].good)
		return false;
	return titled >= CARDS_MIN && titled * 10 > cards * 7;
}

/* Whether a part goes for what it is or is called; `article` is the longest of many, or 0. */
static bool is_condemned(const struct tree *t, unsigned i, enum strictness strictness,
			 unsigned article)
{
	const struct part *p = &t->part[i];
	if (p->tag == TAG_ARTICLE && article != 0 && !tree_within(t, article, i))
		return p->good * 2ul < t->part[article].good;
	if (!is_junk(p, strictness))
		return false;
	return !((p->tag == TAG_FIGURE || is_shy(p)) && holds_quote(t, i));
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
		const struct part *p = &t->part[i];
		/* <head> and <body> are called what the whole page is. */
		if (p->tag == TAG_TEXT || p->parent == 0)
			continue;
		bool junk = is_condemned(t, i, strictness, article) && !is_bulk(t, i, total);
		if (!junk && (!is_listing(t, i) || total - p->good < REMAINDER_MIN))
			continue;
		strike(t, i);
		if (!outside[p->tag] && !(p->words & (WORDS_READERS | WORDS_HIDDEN)) &&
		    p->good > lost && p->link_chars * 5ul < p->chars)
			lost = p->good;
		i = p->end - 1;
	}
	tree_count(t);
	if (strictness == STRICT)
		notes_strike_sections(t);
	return lost;
}

static bool is_heading(enum tag tag)
{
	return tag == TAG_HEADING || tag == TAG_H1;
}

/* Whether the links of a part are all that it has. */
static bool is_links(const struct part *p, bool tail)
{
	unsigned percent = links_percent[p->tag];
	if (!tail && (p->tag == TAG_LIST || p->tag == TAG_ITEM || p->tag == TAG_HEADING))
		return false;
	if (percent == 0 || p->link_chars * 100ul <= p->chars * (unsigned long)percent)
		return false;
	return p->tag == TAG_P || p->tag == TAG_ITEM || p->good * 4ul < p->chars;
}

static void clean_headings(struct tree *t, unsigned root)
{
	/* Backwards: a heading with nothing below it but another heading, or the end, heads
	 * nothing. */
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

/* The last paragraph worth the name. */
static unsigned last_paragraph(const struct tree *t, unsigned root)
{
	unsigned last = root;
	for (unsigned i = root; i < t->part[root].end; i++)
		if (t->part[i].block == i && t->part[i].own >= LAST_MIN &&
		    t->part[i].own_link * 2 < t->part[i].own)
			last = i;
	return last;
}

void clean_article(struct tree *t, unsigned root, const char *title)
{
	notes_strike(t, root, title);
	unsigned last = last_paragraph(t, root);
	for (unsigned i = root + 1; i < t->part[root].end; i++) {
		struct part *p = &t->part[i];
		if (!p->gone && (p->tag == TAG_H1 || (p->chars > 0 && is_links(p, i > last))))
			strike(t, i);
		if (p->gone)
			i = p->end - 1;
	}
	tree_count(t);
	clean_headings(t, root);
	tree_count(t);
}
