#include <ctype.h>
#include <string.h>

#include "harvest/extract_parts.h"

enum {
	LINE_MAX_LEN = 120, /* characters: "Read more: …" is no longer */
	DATE_MAX = 100,
	NOTE_MAX = 500, /* characters: nor is what stands below an article */
	NOTES_MAX = 10, /* paragraphs from the end on that may be such notes */
	HEADING_MAX = 60,
	WRAPPERS_MAX = 2,
	TITLE_SAME_MIN = 12
};

/* How a line starts that stands in an article and belongs to the page. */
static const char *const lines[] = {
	/* clang-format off */
	"advertisement", "also read", "all rights reserved", "click here", "continue reading",
	"copyright ", "filed under", "first published", "follow us", "image:", "last updated",
	"leave a comment", "like this:", "like this story", "more:", "photo:", "posted in",
	"posted on", "published on", "read also", "read more", "read next", "related",
	"see also", "see more", "share this", "sign up", "story continues", "subscribe",
	"tags:", "watch:", "\xc2\xa9",
	/* clang-format on */
};

/* What the notes say that stand below an article: both words. */
static const struct {
	const char *one, *other;
} notes[] = {
	/* clang-format off */
	{"contributed to this", ""}, {"reporting by ", ""}, {"additional reporting", ""},
	{"follow us", ""}, {"follow ", "twitter"}, {"follow ", "@"}, {"on twitter", "@"},
	{"reach ", "@"}, {"subject to copyright", ""}, {"first published", ""},
	{"affiliate", "commission"}, {"affiliate", "links"}, {"newsletter", "sign up"},
	{"newsletter", "subscribe"}, {"all rights reserved", ""},
	/* clang-format on */
};

/* What stands under such a heading is no article. There may be a number before it; WHOLE ones say
 * no more than this, or where it belongs to ("Comments (3)", but not "Comments that hurt"). */
static const struct {
	const char *text;
	enum { WHOLE, START } match;
} headings[] = {
	/* clang-format off */
	{"about the author", WHOLE}, {"comment", WHOLE}, {"comments", WHOLE},
	{"join the conversation", WHOLE}, {"join the discussion", WHOLE}, {"latest news", WHOLE},
	{"leave a comment", WHOLE}, {"leave a reply", WHOLE}, {"more from", START},
	{"more stories", WHOLE}, {"most popular", WHOLE}, {"most read", WHOLE},
	{"popular posts", WHOLE}, {"post a comment", WHOLE}, {"reader comments", WHOLE},
	{"recent posts", WHOLE}, {"recommended", WHOLE}, {"related", WHOLE},
	{"related articles", WHOLE}, {"related content", WHOLE}, {"related links", WHOLE},
	{"related news", WHOLE}, {"related posts", WHOLE}, {"related stories", WHOLE},
	{"responses", WHOLE}, {"responses to", START}, {"share this", WHOLE},
	{"sponsored", WHOLE}, {"thoughts on", START}, {"trending", WHOLE},
	{"you may also like", WHOLE}, {"you might also like", WHOLE},
	/* clang-format on */
};

static const struct {
	const char *one, *other;
} consents[] = {
	{"cookies", "we use"},
	{"cookies", "uses cookies"},
	{"cookies", "use of cookies"},
	{"cookies", "accept"},
};

/* What a block says, in lower case, its whitespace made one space; cut at `max`. */
static void say(const struct tree *t, unsigned i, char *said, size_t max)
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
			char c =
				isspace((unsigned char)*s) ? ' ' : (char)tolower((unsigned char)*s);
			if (c != ' ' || (n > 0 && said[n - 1] != ' '))
				said[n++] = c;
		}
	}
	while (n > 0 && said[n - 1] == ' ')
		n--;
	said[n] = '\0';
}

static bool is_line(const char *said)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strncmp(said, lines[i], strlen(lines[i])) == 0)
			return true;
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A time of day and a year. */
static bool is_date(const char *said)
{
	bool year = false, clock = false;
	for (const char *s = said; *s != '\0'; s++) {
		if (is_digit(s[0]) && s[1] == ':' && is_digit(s[2]) && is_digit(s[3]))
			clock = true;
		if ((strncmp(s, "20", 2) == 0 || strncmp(s, "19", 2) == 0) && is_digit(s[2]) &&
		    is_digit(s[3]) && !is_digit(s[4]) && (s == said || !is_digit(s[-1])))
			year = true;
	}
	return year && clock;
}

static bool is_consent(const char *said)
{
	for (size_t i = 0; i < sizeof(consents) / sizeof(consents[0]); i++)
		if (strstr(said, consents[i].one) != NULL &&
		    strstr(said, consents[i].other) != NULL)
			return true;
	return false;
}

static bool is_note(const char *said)
{
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		if (strstr(said, notes[i].one) != NULL && strstr(said, notes[i].other) != NULL)
			return true;
	return false;
}

static bool is_foreign_heading(const char *said)
{
	said += strspn(said, "0123456789 ");
	for (size_t i = 0; i < sizeof(headings) / sizeof(headings[0]); i++) {
		size_t n = strlen(headings[i].text);
		if (strncmp(said, headings[i].text, n) != 0)
			continue;
		const char *rest = said + n;
		if (headings[i].match == START || strncmp(rest, " on ", 4) == 0 ||
		    rest[strspn(rest, " :(0123456789)")] == '\0')
			return true;
	}
	return false;
}

/* Where the section under a heading starts: the heading may be wrapped, and then the section
 * stands beside the wrapper. */
static unsigned section_of(const struct tree *t, unsigned heading)
{
	unsigned i = heading;
	for (unsigned up = 0; up < WRAPPERS_MAX && i != 0; up++) {
		unsigned above = t->part[i].parent;
		for (unsigned k = t->part[i].end; k < t->part[above].end; k = t->part[k].end)
			if (t->part[k].chars > 0)
				return i;
		i = above;
	}
	return heading;
}

void notes_strike_sections(struct tree *t)
{
	char said[HEADING_MAX + 2];
	for (unsigned i = 1; i < t->n; i++) {
		struct part *p = &t->part[i];
		if (p->gone) {
			i = p->end - 1;
			continue;
		}
		if (p->tag != TAG_HEADING || p->chars == 0 || p->chars > HEADING_MAX)
			continue;
		say(t, i, said, sizeof(said));
		if (!is_foreign_heading(said))
			continue;
		unsigned first = section_of(t, i), end = t->part[t->part[first].parent].end;
		for (unsigned k = first; k < end; k = t->part[k].end) {
			if (k > first && t->part[k].tag == TAG_HEADING)
				break;
			t->part[k].gone = true;
		}
	}
	tree_count(t);
}

static bool is_title(const char *said, const char *title)
{
	size_t n = 0;
	while (said[n] != '\0' && said[n] == (char)tolower((unsigned char)title[n]))
		n++;
	return n >= TITLE_SAME_MIN && said[n] == '\0';
}

static void strike_notes(struct tree *t, unsigned root)
{
	char said[NOTE_MAX + 1];
	unsigned seen = 0;
	for (unsigned i = t->part[root].end; i-- > root + 1 && seen < NOTES_MAX;) {
		struct part *p = &t->part[i];
		/* A part within one that is gone has no characters of its own left. */
		if (p->gone || p->block != i || p->own == 0)
			continue;
		seen++;
		if (p->chars > NOTE_MAX)
			continue;
		say(t, i, said, sizeof(said));
		p->gone = is_note(said);
	}
}

void notes_strike(struct tree *t, unsigned root, const char *title)
{
	char said[NOTE_MAX + 1];
	for (unsigned i = root + 1; i < t->part[root].end; i++) {
		struct part *p = &t->part[i];
		if (p->gone) {
			i = p->end - 1;
			continue;
		}
		if (p->block != i || p->chars == 0 || p->chars > NOTE_MAX)
			continue;
		say(t, i, said, sizeof(said));
		if ((p->chars <= LINE_MAX_LEN && is_line(said)) ||
		    (p->chars <= DATE_MAX && is_date(said)) || is_title(said, title) ||
		    is_consent(said)) {
			p->gone = true;
			i = p->end - 1;
		}
	}
	tree_count(t);
	strike_notes(t, root);
	tree_count(t);
}
