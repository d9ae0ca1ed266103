#include "harvest/extract_strip.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "harvest/extract.h"

enum {
	NAME_MAX_LEN = 24, /* longer element names are unknown elements */
	VALUE_MAX = 200,   /* bytes of an attribute that are looked at */
	SIGNS_MAX = 10000, /* "<" that starts no tag, kept as a character */
	CLOSE_LOOK = 64,   /* open elements among which an end tag finds its start */
	SELF_LOOK = 8	   /* and an element without one its like */
};

/* What becomes of an element. */
enum fate {
	KEEP,
	UNWRAP, /* the tags go, the content stays */
	RAW,	/* goes with all up to its end tag, in which no other tag is a tag */
	VOID,	/* has no end tag */
	TITLE,
	SCRIPT,
	META
};

static const struct {
	const char *name;
	enum fate fate;
} elements[] = {
	/* clang-format off */
	{"area", UNWRAP}, {"b", UNWRAP}, {"base", UNWRAP}, {"bdi", UNWRAP}, {"big", UNWRAP},
	{"br", VOID}, {"canvas", RAW}, {"col", UNWRAP}, {"em", UNWRAP}, {"embed", UNWRAP},
	{"font", UNWRAP}, {"hr", VOID}, {"i", UNWRAP}, {"iframe", RAW}, {"img", UNWRAP},
	{"input", UNWRAP}, {"link", UNWRAP}, {"map", RAW}, {"math", RAW}, {"meta", META},
	{"nobr", UNWRAP}, {"noembed", RAW}, {"noframes", RAW}, {"noscript", RAW},
	{"object", RAW}, {"param", UNWRAP}, {"s", UNWRAP}, {"script", SCRIPT}, {"select", RAW},
	{"source", UNWRAP}, {"strong", UNWRAP}, {"style", RAW}, {"svg", RAW},
	{"template", RAW}, {"textarea", RAW}, {"title", TITLE}, {"tt", UNWRAP},
	{"u", UNWRAP}, {"video", RAW}, {"wbr", UNWRAP},
	/* clang-format on */
};

enum { ELEMENTS = sizeof(elements) / sizeof(elements[0]) };

static const char *const attributes[] = {"aria-hidden", "class",    "hidden", "href",
					 "id",		"itemprop", "role",   "style"};

/* Elements whose end tag may be missing: the next of their kind ends them, if none of the others
 * is open between the two. */
static const char *const self_ending[] = {"dd", "dt", "li", "option", "p", "td", "th", "tr"};
static const char *const enclosing[] = {"table", "ul", "ol", "dl", "div"};

enum {
	SELF_ENDING = sizeof(self_ending) / sizeof(self_ending[0]),
	ENCLOSING = sizeof(enclosing) / sizeof(enclosing[0])
};

struct pass {
	struct strip *st;
	const char *at, *end;
	size_t parts, signs;
	bool unended[ELEMENTS]; /* raw elements of which no further end tag will be found */
	bool no_comment_end;
	unsigned depth;
	unsigned names[EXTRACT_DEPTH_MAX];		 /* hashes of the open elements' names */
	unsigned ending[SELF_ENDING], around[ENCLOSING]; /* and of those in the tables */
};

struct tag {
	char name[NAME_MAX_LEN];
	unsigned hash;
	enum fate fate;
	size_t index; /* in elements */
	bool closing;
};

static unsigned hash_of(const char *name)
{
	unsigned h = 2166136261u;
	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

static size_t find_element(const char *name)
{
	size_t low = 0, high = ELEMENTS;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int d = strcmp(elements[mid].name, name);
		if (d == 0)
			return mid;
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return ELEMENTS;
}

/* After the first `word` from here on, in any case; NULL if there is none. */
static const char *skip_past(const char *s, const char *end, const char *word, size_t n)
{
	while ((size_t)(end - s) >= n) {
		s = memchr(s, word[0], (size_t)(end - s) - n + 1);
		if (s == NULL)
			return NULL;
		if (strncasecmp(s, word, n) == 0)
			return s + n;
		s++;
	}
	return NULL;
}

/* At the start of an attribute, or where the tag ends: at `>`, or the page. */
static const char *skip_to_attribute(struct pass *p)
{
	while (p->at < p->end && (isspace((unsigned char)*p->at) || *p->at == '/'))
		p->at++;
	return p->at;
}

static bool ends_name(char c)
{
	return c == '>' || c == '/' || c == '=' || isspace((unsigned char)c);
}

/* Reads one attribute; `value` is empty when it has none. */
static struct slice read_attribute(struct pass *p, struct slice *value)
{
	struct slice name = {p->at, 0};
	*value = (struct slice){p->at, 0};
	p->at++; /* a "=" here belongs to the name */
	while (p->at < p->end && !ends_name(*p->at))
		p->at++;
	name.len = (size_t)(p->at - name.s);
	const char *at = p->at;
	while (at < p->end && isspace((unsigned char)*at))
		at++;
	if (at == p->end || *at != '=')
		return name;
	at++;
	while (at < p->end && isspace((unsigned char)*at))
		at++;
	if (at == p->end) {
		p->at = at;
		return name;
	}
	const char *stop;
	if (*at == '"' || *at == '\'') {
		stop = memchr(at + 1, *at, (size_t)(p->end - at - 1));
		value->s = at + 1;
		value->len = (size_t)((stop != NULL ? stop : p->end) - at - 1);
		p->at = stop != NULL ? stop + 1 : p->end;
		return name;
	}
	for (stop = at; stop < p->end && *stop != '>' && !isspace((unsigned char)*stop); stop++)
		;
	*value = (struct slice){at, (size_t)(stop - at)};
	p->at = stop;
	return name;
}

static bool slice_is(struct slice a, const char *word)
{
	return a.len == strlen(word) && strncasecmp(a.s, word, a.len) == 0;
}

static bool wanted(struct slice name)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (slice_is(name, attributes[i]))
			return true;
	return false;
}

static void add_attribute(struct strbuf *out, struct slice name, struct slice value)
{
	strbuf_addc(out, ' ');
	strbuf_add(out, name.s, name.len);
	strbuf_adds(out, "=\"");
	size_t n = value.len < VALUE_MAX ? value.len : VALUE_MAX;
	for (size_t i = 0; i < n; i++) {
		char c = value.s[i];
		/* The rules look for ASCII words only. */
		strbuf_addc(out, (c == '"' || c == '<' || c == '&' || c < ' ') ? ' ' : c);
	}
	strbuf_addc(out, '"');
}

/* Reads the attributes to the end of the tag, adding those that count to `out` (or NULL). Tells
 * what <meta> and <script> have to tell. */
static bool read_attributes(struct pass *p, struct tag *tag, struct strbuf *out)
{
	bool is_og = false, is_jsonld = false;
	struct slice content = {NULL, 0};
	unsigned seen = 0;
	while (skip_to_attribute(p) < p->end && *p->at != '>') {
		struct slice value;
		struct slice name = read_attribute(p, &value);
		if (tag->fate == META && slice_is(name, "property"))
			is_og = slice_is(value, "og:title");
		else if (tag->fate == META && slice_is(name, "content"))
			content = value;
		else if (tag->fate == SCRIPT && slice_is(name, "type"))
			is_jsonld = slice_is(value, "application/ld+json");
		else if (out != NULL && seen < 16 && wanted(name)) {
			seen++;
			add_attribute(out, name, value);
		}
	}
	if (p->at < p->end)
		p->at++;
	if (is_og && p->st->headline.len == 0)
		p->st->headline = content;
	return is_jsonld;
}

static bool has(const unsigned *hashes, size_t n, unsigned hash)
{
	for (size_t i = 0; i < n; i++)
		if (hashes[i] == hash)
			return true;
	return false;
}

/* Counts as closed what the start of another of its kind closes. */
static void end_same(struct pass *p, unsigned hash)
{
	if (!has(p->ending, SELF_ENDING, hash))
		return;
	for (unsigned i = p->depth, look = 0; i > 0 && look < SELF_LOOK; i--, look++) {
		if (p->names[i - 1] == hash) {
			p->depth = i - 1;
			return;
		}
		if (has(p->around, ENCLOSING, p->names[i - 1]))
			return;
	}
}

/* Whether the start tag may be given on: not when too deep or too many. */
static bool open_element(struct pass *p, const struct tag *tag)
{
	if (++p->parts > EXTRACT_PARTS_MAX)
		return false;
	if (tag->fate == VOID)
		return true;
	end_same(p, tag->hash);
	if (p->depth == EXTRACT_DEPTH_MAX)
		return false;
	p->names[p->depth++] = tag->hash;
	return true;
}

static void close_element(struct pass *p, const struct tag *tag)
{
	if (tag->fate != KEEP)
		return;
	for (unsigned i = p->depth, look = 0; i > 0 && look < CLOSE_LOOK; i--, look++)
		if (p->names[i - 1] == tag->hash) {
			p->depth = i - 1;
			strbuf_addf(&p->st->html, "</%s>", tag->name);
			return;
		}
}

/* Past the end tag of an element in which nothing is a tag; where it starts, if there is none. */
static struct slice skip_raw(struct pass *p, const struct tag *tag)
{
	struct slice content = {p->at, 0};
	if (p->unended[tag->index])
		return content;
	char word[NAME_MAX_LEN + 3] = "</";
	memcpy(word + 2, tag->name, strlen(tag->name) + 1);
	const char *past = skip_past(p->at, p->end, word, strlen(word));
	if (past == NULL) {
		p->unended[tag->index] = true;
		if (tag->fate == SCRIPT || strcmp(tag->name, "style") == 0)
			p->at = p->end;
		return content;
	}
	content.len = (size_t)(past - p->at) - strlen(word);
	const char *close = memchr(past, '>', (size_t)(p->end - past));
	p->at = close != NULL ? close + 1 : p->end;
	return content;
}

static void start_tag(struct pass *p, struct tag *tag)
{
	struct strbuf *out = &p->st->html;
	bool given_on = (tag->fate == KEEP || tag->fate == VOID) && open_element(p, tag);
	if (given_on) {
		strbuf_addc(out, '<');
		strbuf_adds(out, tag->name);
	}
	bool is_jsonld = read_attributes(p, tag, given_on ? out : NULL);
	if (given_on)
		strbuf_addc(out, '>');
	if (tag->fate != RAW && tag->fate != SCRIPT && tag->fate != TITLE)
		return;
	struct slice content = skip_raw(p, tag);
	if (is_jsonld && p->st->jsonld_n < STRIP_JSONLD_MAX)
		p->st->jsonld[p->st->jsonld_n++] = content;
	else if (tag->fate == TITLE && p->st->title.len == 0)
		p->st->title = content;
}

static void read_tag(struct pass *p)
{
	struct tag tag = {.fate = KEEP, .index = ELEMENTS};
	p->at++;
	if (*p->at == '/') {
		tag.closing = true;
		p->at++;
	}
	size_t n = 0;
	for (; p->at < p->end && !ends_name(*p->at); p->at++)
		if (n < NAME_MAX_LEN - 1)
			tag.name[n++] = (char)tolower((unsigned char)*p->at);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)tag.name[i]) && tag.name[i] != '-')
			tag.fate = UNWRAP;
	if (n == NAME_MAX_LEN - 1)
		tag.fate = UNWRAP;
	tag.index = find_element(tag.name);
	if (tag.index < ELEMENTS)
		tag.fate = elements[tag.index].fate;
	tag.hash = hash_of(tag.name);
	if (!tag.closing) {
		start_tag(p, &tag);
		return;
	}
	const char *close = memchr(p->at, '>', (size_t)(p->end - p->at));
	p->at = close != NULL ? close + 1 : p->end;
	close_element(p, &tag);
}

/* "<!": a comment, a doctype, or what browsers take for a comment. */
static void skip_declaration(struct pass *p)
{
	const char *past = NULL;
	if (p->end - p->at >= 4 && memcmp(p->at, "<!--", 4) == 0 && !p->no_comment_end) {
		past = memmem(p->at + 2, (size_t)(p->end - p->at - 2), "-->", 3);
		p->no_comment_end = past == NULL;
		if (past != NULL)
			past += 3;
	}
	if (past == NULL) {
		past = memchr(p->at, '>', (size_t)(p->end - p->at));
		past = past != NULL ? past + 1 : p->end;
	}
	p->at = past;
}

void strip_page(struct strip *st, const char *html, size_t len)
{
	memset(st, 0, sizeof(*st));
	strbuf_init(&st->html, 2 * len + (size_t)SIGNS_MAX * 4 + 64);
	strbuf_grow(&st->html, len / 2);
	struct pass p = {.st = st, .at = html, .end = html + len};
	for (size_t i = 0; i < SELF_ENDING; i++)
		p.ending[i] = hash_of(self_ending[i]);
	for (size_t i = 0; i < ENCLOSING; i++)
		p.around[i] = hash_of(enclosing[i]);
	while (p.at < p.end) {
		const char *lt = memchr(p.at, '<', (size_t)(p.end - p.at));
		if (lt == NULL)
			lt = p.end;
		strbuf_add(&st->html, p.at, (size_t)(lt - p.at));
		p.at = lt;
		if (p.end - lt < 2) {
			break;
		} else if (lt[1] == '!' || lt[1] == '?') {
			skip_declaration(&p);
		} else if (isalpha((unsigned char)lt[1]) ||
			   (lt[1] == '/' && p.end - lt > 2 && isalpha((unsigned char)lt[2]))) {
			read_tag(&p);
		} else {
			strbuf_adds(&st->html, p.signs++ < SIGNS_MAX ? "&lt;" : " ");
			p.at++;
		}
	}
}

void strip_release(struct strip *st)
{
	strbuf_release(&st->html);
}
