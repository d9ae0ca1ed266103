#include "harvest/extract_parts.h"

#include "harvest/extract_words.h"

/* What a container is worth: its paragraphs, less what stands between them. */
static double worth(const struct tree *t, unsigned i)
{
	const struct part *p = &t->part[i];
	double other = p->chars > p->good ? (double)(p->chars - p->good) : 0;
	double links = (double)p->link_chars;
	double w = (double)p->good - 0.3 * other - 0.3 * links;
	if (p->words & WORDS_BODY)
		w *= 1.5;
	else if (p->tag == TAG_ARTICLE)
		w *= 1.25;
	else if (p->words & (WORDS_GOOD | WORDS_ENTRY) || p->tag == TAG_MAIN)
		w *= 1.1;
	return w;
}

static bool may_hold(enum tag tag)
{
	return tag == TAG_BLOCK || tag == TAG_ARTICLE || tag == TAG_SECTION || tag == TAG_MAIN ||
	       tag == TAG_CELL || tag == TAG_TABLE || tag == TAG_QUOTE || tag == TAG_INLINE;
}

unsigned choose_root(const struct tree *t)
{
	unsigned best = 0;
	double most = 0;
	for (unsigned i = 0; i < t->n; i++) {
		const struct part *p = &t->part[i];
		if (p->gone) {
			i = p->end - 1;
			continue;
		}
		if (!may_hold(p->tag) || p->good == 0)
			continue;
		double w = worth(t, i);
		if (w >= most) {
			most = w;
			best = i;
		}
	}
	return best;
}
