#include "harvest/extract_tree.h"

#include <assert.h>
#include <libxml/HTMLparser.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cpoa/err.h"
#include "harvest/extract.h"
#include "harvest/extract_words.h"
#include "harvest/text.h"

enum {
	PARAGRAPH_MIN = 60, /* characters: less is no evidence of an article */
	TITLE_MIN = 15,	    /* characters: the title of another page is no shorter */
	PARTS_PER_ELEMENT = 3,
	PARSE = HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
		HTML_PARSE_COMPACT
};

static const struct {
	const char *name;
	enum tag tag;
} tags[] = {
	/* clang-format off */
	{"a", TAG_A}, {"address", TAG_OUTSIDE}, {"article", TAG_ARTICLE}, {"aside", TAG_OUTSIDE},
	{"blockquote", TAG_QUOTE}, {"body", TAG_BLOCK}, {"br", TAG_BR}, {"button", TAG_BUTTON},
	{"caption", TAG_CAPTION}, {"center", TAG_BLOCK}, {"dd", TAG_ITEM}, {"details", TAG_BLOCK},
	{"dialog", TAG_OUTSIDE}, {"div", TAG_BLOCK}, {"dl", TAG_LIST}, {"dt", TAG_ITEM},
	{"fieldset", TAG_BLOCK}, {"figcaption", TAG_CAPTION}, {"figure", TAG_FIGURE},
	{"footer", TAG_OUTSIDE}, {"form", TAG_BLOCK}, {"h1", TAG_H1}, {"h2", TAG_HEADING},
	{"h3", TAG_HEADING}, {"h4", TAG_HEADING}, {"h5", TAG_HEADING}, {"h6", TAG_HEADING},
	{"header", TAG_HEADER}, {"hr", TAG_BR}, {"html", TAG_BLOCK}, {"label", TAG_BUTTON},
	{"li", TAG_ITEM}, {"main", TAG_MAIN}, {"menu", TAG_OUTSIDE}, {"nav", TAG_OUTSIDE},
	{"ol", TAG_LIST}, {"p", TAG_P}, {"pre", TAG_PRE}, {"section", TAG_SECTION},
	{"summary", TAG_BLOCK}, {"table", TAG_TABLE}, {"tbody", TAG_BLOCK}, {"td", TAG_CELL},
	{"tfoot", TAG_BLOCK}, {"th", TAG_CELL}, {"thead", TAG_BLOCK}, {"time", TAG_TIME},
	{"tr", TAG_ROW}, {"ul", TAG_LIST},
	/* clang-format on */
};

static enum tag tag_of(const char *name)
{
	size_t low = 0, high = sizeof(tags) / sizeof(tags[0]);
	while (low < high) {
		size_t mid = (low + high) / 2;
		int d = strcmp(tags[mid].name, name);
		if (d == 0)
			return tags[mid].tag;
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return TAG_INLINE;
}

static bool is_block(enum tag tag)
{
	return tag != TAG_INLINE && tag != TAG_TEXT && tag != TAG_A && tag != TAG_BR &&
	       tag != TAG_TIME && tag != TAG_BUTTON;
}

static const char *value_of(const xmlAttr *attr)
{
	return attr->children != NULL ? (const char *)attr->children->content : NULL;
}

static void read_attributes(const struct words *w, struct part *part, const xmlNode *node)
{
	for (const xmlAttr *attr = node->properties; attr != NULL; attr = attr->next) {
		const char *name = (const char *)attr->name;
		const char *value = value_of(attr);
		if (strcmp(name, "style") == 0)
			part->words |= words_judge_style(value);
		else if (strcmp(name, "hidden") == 0)
			part->words |= WORDS_HIDDEN;
		else if (strcmp(name, "aria-hidden") == 0)
			part->words |=
				value != NULL && strcmp(value, "true") == 0 ? WORDS_HIDDEN : 0;
		else if (strcmp(name, "href") == 0)
			part->in_page_link = value != NULL && value[0] == '#';
		else if (strcmp(name, "id") == 0)
			part->words |= words_judge_id(w, value);
		else
			part->words |= words_judge(w, value);
	}
}

static void add_part(struct tree *t, const struct words *w, const xmlNode *node, unsigned parent)
{
	unsigned i = t->n++;
	struct part *part = &t->part[i];
	const struct part *above = &t->part[parent];
	memset(part, 0, sizeof(*part));
	part->parent = parent;
	part->end = i + 1;
	part->in_link = i > 0 && above->in_link;
	part->in_page_link = i > 0 && above->in_page_link;
	if (node->type == XML_ELEMENT_NODE) {
		part->tag = tag_of((const char *)node->name);
		read_attributes(w, part, node);
		part->in_link |= part->tag == TAG_A;
	} else {
		part->tag = TAG_TEXT;
		part->text = (const char *)node->content;
	}
	part->block = i == 0 || is_block(part->tag) ? i : above->block;
	part->body = part->words & WORDS_BODY ? i : i > 0 ? above->body : 0;
}

static bool is_part(const xmlNode *node)
{
	return node->type == XML_ELEMENT_NODE ||
	       ((node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) &&
		node->content != NULL);
}

/* The node that follows in document order; closes in the array the parts that are left. */
static const xmlNode *next_node(struct tree *t, const xmlNode *node, const xmlNode *root,
				unsigned *parent, bool entered)
{
	if (entered && node->children != NULL) {
		*parent = t->n - 1;
		return node->children;
	}
	while (node != root && node->next == NULL) {
		node = node->parent;
		if (node == root)
			return NULL;
		t->part[*parent].end = t->n;
		*parent = t->part[*parent].parent;
	}
	return node == root ? NULL : node->next;
}

static void add_parts(struct tree *t, const xmlNode *root, unsigned max)
{
	struct words words;
	unsigned parent = 0;
	words_init(&words);
	for (const xmlNode *node = root; node != NULL && t->n < max;) {
		bool part = is_part(node);
		if (part)
			add_part(t, &words, node, parent);
		node = next_node(t, node, root, &parent, part && node->type == XML_ELEMENT_NODE);
	}
	for (unsigned i = parent; t->n > 0; i = t->part[i].parent) {
		t->part[i].end = t->n;
		if (i == 0)
			break;
	}
}

static void init_parser(void)
{
	xmlInitParser();
}

/* How many nodes there are, so that the array is not larger than the page. */
static unsigned count_nodes(const xmlNode *root, unsigned max)
{
	unsigned count = 0;
	for (const xmlNode *node = root; node != NULL && count < max; count++) {
		if (node->type == XML_ELEMENT_NODE && node->children != NULL) {
			node = node->children;
			continue;
		}
		while (node != root && node->next == NULL)
			node = node->parent;
		node = node == root ? NULL : node->next;
	}
	return count;
}

void tree_init(struct tree *t, const struct strip *page)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, init_parser);
	memset(t, 0, sizeof(*t));
	t->doc = htmlReadMemory(page->html.buf, (int)page->html.len, NULL, "UTF-8", PARSE);
	const xmlNode *root = t->doc != NULL ? xmlDocGetRootElement(t->doc) : NULL;
	if (root == NULL)
		return;
	unsigned count = count_nodes(root, PARTS_PER_ELEMENT * EXTRACT_PARTS_MAX);
	t->part = xmalloc(count * sizeof(*t->part));
	add_parts(t, root, count);
	for (unsigned i = 0; i < t->n; i++) {
		struct part *p = &t->part[i];
		if (p->tag == TAG_TEXT)
			p->own = (unsigned)text_measure(p->text, strlen(p->text));
	}
	tree_count(t);
}

void tree_release(struct tree *t)
{
	free(t->part);
	xmlFreeDoc(t->doc);
}

void tree_count(struct tree *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		struct part *p = &t->part[i];
		p->chars = p->link_chars = p->good = 0;
		p->titled = false;
		if (p->tag != TAG_TEXT)
			p->own = p->own_link = 0;
	}
	for (unsigned i = 0; i < t->n; i++) {
		struct part *p = &t->part[i];
		if (p->gone) {
			i = p->end - 1;
			continue;
		}
		if (p->tag != TAG_TEXT)
			continue;
		p->chars = p->own;
		p->link_chars = p->in_link && !p->in_page_link ? p->own : 0;
		t->part[p->block].own += p->own;
		t->part[p->block].own_link += p->link_chars;
	}
	for (unsigned i = t->n; i-- > 1;) {
		struct part *p = &t->part[i];
		struct part *above = &t->part[p->parent];
		if (p->block == i && p->own >= PARAGRAPH_MIN && p->own_link * 2 < p->own)
			p->good += p->own - p->own_link;
		if (p->block == i && p->own >= TITLE_MIN && p->own_link * 10 > p->own * 9)
			p->titled = true;
		above->titled |= p->titled;
		above->chars += p->chars;
		above->link_chars += p->link_chars;
		above->good += p->good;
	}
}
