/* links: cpoa_harvest_text */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpoa/err.h"
#include "harvest/charset.h"
#include "harvest/extract.h"

/* Paragraphs long enough to be an article, which begin with words to look for. */
#define LONG(start)                                                                               \
	start " of the matter, which goes on for a while so that it can be told from a line, as " \
	      "the paragraphs of an article can: they have sentences, and most of them are long."
#define ARTICLE "<p>" LONG("First") "</p><p>" LONG("Second") "</p><p>" LONG("Third") "</p>"

static const struct {
	const char *what, *html;
	const char *with, *without; /* what the text has and what not; NULL: nothing to look for */
} rules
	[] =
		{
			/* clang-format off */
	{"paragraphs", ARTICLE, "First", NULL},
	{"a script", ARTICLE "<script>var x = '<p>scripted</p>';</script>", "Third", "scripted"},
	{"a style, a template, a noscript", "<style>p{styled}</style><template><p>templated</template><noscript>none</noscript>" ARTICLE, "First", "styled"},
	{"a comment in the markup", ARTICLE "<!-- <p>remark</p> -->", "Third", "remark"},
	{"navigation", "<nav><p>" LONG("Menu") "</p></nav><article>" ARTICLE "</article>", "First", "Menu"},
	{"an aside and a footer", "<main>" ARTICLE "</main><aside><p>" LONG("Aside") "</p></aside><footer><p>" LONG("Below") "</p></footer>", "Third", "Aside"},
	{"a sidebar by its class", "<div class='content'>" ARTICLE "</div><div class='left-sidebar'><p>" LONG("Beside") "</p></div>", "Third", "Beside"},
	{"comments by their id", "<div>" ARTICLE "<div id='comments'><p>" LONG("Opinion") "</p></div></div>", "Third", "Opinion"},
	{"camelCase", "<div>" ARTICLE "<div class='articleShareBar'>sharing</div></div>", "Third", "sharing"},
	{"related links", "<div>" ARTICLE "<div class='related-posts'><p>" LONG("Another") "</p></div></div>", "Third", "Another"},
	{"a word within a word is none", "<div>" ARTICLE "<div class='commentary'><p>" LONG("Fourth") "</p></div></div>", "Fourth", NULL},
	{"a newsletter", "<div>" ARTICLE "<div class='newsletter-box'><p>" LONG("Weekly") "</p></div></div>", "Third", "Weekly"},
	{"a caption", "<div>" ARTICLE "<figure><img><figcaption>A man at sea</figcaption></figure></div>", "Third", "at sea"},
	{"a quotation in a figure", "<div>" ARTICLE "<figure><blockquote>" LONG("Quoth") "</blockquote></figure></div>", "Quoth", NULL},
	{"a byline is short", "<div><div class='byline'>By A. Writer</div>" ARTICLE "</div>", "First", "Writer"},
	{"what is hidden", "<div>" ARTICLE "<p style='display: none'>" LONG("Secret") "</p><p hidden>unseen</p></div>", "Third", "Secret"},
	{"a cookie notice", "<div><p>We use cookies to improve what you see here; by going on you accept our use of them on this device.</p>" ARTICLE "</div>", "First", "cookies"},
	{"a line of the page", "<div><p>" LONG("First") "</p><p>Read more: the story before</p>" ARTICLE "</div>", "First", "Read more"},
	{"a date", "<div><p>Tue, 19 November 2019, 09:01 AM</p>" ARTICLE "</div>", "First", "2019"},
	{"a note below", "<div>" ARTICLE "<p>(Reporting by A. Person in a city; editing by another)</p></div>", "Third", "Reporting"},
	{"the headline", "<title>The Title of the Page</title><div><h1>Headline</h1><h2>The title of the page</h2>" ARTICLE "</div>", "First", "eadline"},
	{"a subheading stays", "<div><p>" LONG("First") "</p><h2>Subheading</h2>" ARTICLE "</div>", "Subheading", NULL},
	{"a heading of nothing goes", "<div>" ARTICLE "<h3>Nothing below</h3></div>", "Third", "Nothing"},
	{"a list stays", "<div>" ARTICLE "<ul><li>one thing</li><li>another</li></ul>" ARTICLE "</div>", "another", NULL},
	{"a list of links below goes", "<div>" ARTICLE "<ul><li><a href='/a'>one more page</a></li><li><a href='/b'>and a second one</a></li></ul></div>", "Third", "one more"},
	{"links among the text stay", "<div><p>" LONG("First") " <a href='/x'>linked words</a> and more.</p>" ARTICLE "</div>", "linked words", NULL},
	{"of many articles the longest", "<main><article>" ARTICLE ARTICLE "</article><article><p>" LONG("Teased") "</p></article><article><p>" LONG("Teased") "</p></article></main>", "Third", "Teased"},
	{"cards of other pages", "<div><div>" ARTICLE ARTICLE "</div><ul>"
		"<li><h4><a href='/1'>A title of a page</a></h4><p>" LONG("Card") "</p></li><li><h4><a href='/2'>A title of a page</a></h4><p>" LONG("Card") "</p></li>"
		"<li><h4><a href='/3'>A title of a page</a></h4><p>" LONG("Card") "</p></li><li><h4><a href='/4'>A title of a page</a></h4><p>" LONG("Card") "</p></li></ul></div>", "Third", "Card"},
	{"the class of a blog's entry is its subject's", "<article class='hentry category-reviews tag-comments'>" ARTICLE "</article>", "First", NULL},
	{"all the text is in a widget", "<div class='sidebar'><div class='widget-area'>" ARTICLE "</div></div>", "First", NULL},
	{"an id made of a sentence", "<section id='sharing-things-with-other-people'>" ARTICLE "</section>", "First", NULL},
	{"a table lays out the page", "<table><tr><td><a href='/'>Home</a></td><td>" ARTICLE "</td></tr></table>", "First", "Home"},
	{"references", "<div>" ARTICLE "<p>" LONG("Tom &amp; Jerry&#146;s caf&eacute; &#x41;&nbsp;B &lt;b&gt;") "</p></div>", "Tom & Jerry\xe2\x80\x99s caf\xc3\xa9 A B <b>", NULL},
	{"words are not torn", "<p><b>W</b>ord<i>s</i> and a<br>break, " LONG("First") "</p>" ARTICLE, "Words and a\nbreak", NULL},
	{"what stands under the heading \"Comments\"", "<div>" ARTICLE "<h3>2 Comments</h3><p>" LONG("Reader") "</p></div>", "Third", "Reader"},
	{"beside the wrapper of such a heading", "<div>" ARTICLE "<div><h3>Related stories</h3></div><p>" LONG("Elsewhere") "</p></div>", "Third", "Elsewhere"},
	{"a heading that only starts like it", "<div>" ARTICLE "<h3>Comments that hurt</h3><p>" LONG("Fourth") "</p></div>", "Fourth", NULL},
	{"linked data, when the page has nothing", "<script type='application/ld+json'>{\"@type\":\"Article\",\"articleBody\":\"" LONG("Told") "\\n" LONG("\\u00c4gain") "\"}</script><div id=app></div>", "Told", NULL},
			/* clang-format on */
};

Test(extract, rules)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		char *text = extract_text(rules[i].html, strlen(rules[i].html), NULL, NULL);
		if (rules[i].with != NULL)
			cr_expect(strstr(text, rules[i].with) != NULL, "%s: no \"%s\" in: %s",
				  rules[i].what, rules[i].with, text);
		if (rules[i].without != NULL)
			cr_expect(strstr(text, rules[i].without) == NULL, "%s: \"%s\" in: %s",
				  rules[i].what, rules[i].without, text);
		free(text);
	}
}

Test(extract, paragraphs_are_lines_in_reading_order)
{
	static const char html[] = "<body><p>" LONG("One") "</p>\n\n<p>" LONG(
		"Two") "</p><ul><li>" LONG("Three") "</li></ul></body>";
	size_t len;
	char *text = extract_text(html, sizeof(html) - 1, NULL, &len);
	cr_expect_str_eq(text, LONG("One") "\n" LONG("Two") "\n" LONG("Three"));
	cr_expect_eq(len, strlen(text));
	free(text);
}

static const struct {
	const char *html, *title;
} titles[] = {
	/* clang-format off */
	{"<title> A\n&amp; B &mdash; &#8217; &nosuch; & </title>", "A & B \xe2\x80\x94 \xe2\x80\x99 &nosuch; &"},
	{"<title>Site</title><meta property=\"og:title\" content=\"Story\">", "Story"},
	{"<svg><title>Icon</title></svg>", ""},
	{"", ""},
	/* clang-format on */
};

Test(extract, title)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		struct extract x;
		extract_page(&x, titles[i].html, strlen(titles[i].html), NULL);
		cr_expect_str_eq(x.title, titles[i].title, "%s", titles[i].html);
		cr_expect_str_eq(x.text, "");
		extract_release(&x);
	}
}

Test(extract, the_charset_of_the_header_counts)
{
	static const char html[] = "<p>" LONG("\xcf\xf0\xe8\xe2\xe5\xf2") "</p>" ARTICLE;
	char *text = extract_text(html, sizeof(html) - 1, "text/html; charset=windows-1251", NULL);
	cr_expect(strncmp(text, "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", 12) == 0);
	free(text);
}

/* Hostile pages: a start, a piece over and over up to `size` bytes, an end. */
static const struct {
	const char *what, *start, *piece, *end;
	size_t size;
} hostile[] = {
	/* clang-format off */
	{"deep divs", "", "<div>", ARTICLE, 500000},
	{"deep inline elements", "", "<span><a>", ARTICLE, 900000},
	{"deep lists", "", "<ul><li>", ARTICLE, 800000},
	{"deep tables", "", "<table><tr><td>", ARTICLE, 1500000},
	{"deep quotations with text", "", "<blockquote>words ", "", 4 << 20},
	{"deep junk", "", "<div class='sidebar related'><p>text", "", 4 << 20},
	{"unclosed paragraphs", "", "<p>text ", "", 4 << 20},
	{"closed what was never open", "", "</div></p></span>", "", 4 << 20},
	{"less-than signs", "", "<", "", 4 << 20},
	{"nothing but starts of tags", "", "<a", "", 4 << 20},
	{"nothing but starts of end tags", "", "</a", "", 4 << 20},
	{"unclosed comments", "", "<!--", "", 4 << 20},
	{"unclosed declarations", "", "<!x", "", 4 << 20},
	{"unclosed scripts", "", "<script>", "", 4 << 20},
	{"unclosed templates", "", "<template><svg><math><canvas>", "", 4 << 20},
	{"unclosed titles", "", "<title>", "", 4 << 20},
	{"a giant attribute", "<div class='", "sidebar ", "'>" ARTICLE, 4 << 20},
	{"a giant unclosed attribute", "<div class=\"", "x", "", 4 << 20},
	{"a million attributes", "<div ", "a=b c ", ">", 4 << 20},
	{"a million classes", "<div ", "class=b ", ">", 4 << 20},
	{"a giant name", "<", "x", ">", 4 << 20},
	{"entities", "<p>", "&amp;&#38;&bogus;&#xffffffff;&#0;", "</p>", 4 << 20},
	{"ampersands", "<title>", "&", "</title>", 4 << 20},
	{"whitespace", "<p>", " \n\t\xc2\xa0", "</p>", 4 << 20},
	{"one giant word", "<p>", "x", "</p>", 4 << 20},
	{"breaks", "<p>", "<br>", "</p>", 4 << 20},
	{"empty links", "<p>", "<a href=x></a>", "</p>", 4 << 20},
	{"headings", "", "<h2>x</h2>", "", 4 << 20},
	{"small blocks with their words", "", "<div class=byline>cookies we use ", "", 4 << 20},
	{"articles", "", "<article><p>" LONG("Each") "</p></article>", "", 4 << 20},
	{"figures in figures", "", "<figure>", "", 4 << 20},
	{"linked data", "<script type='application/ld+json'>", "\"articleBody\":", "</script>", 4 << 20},
	{"linked data that nests", "<script type='application/ld+json'>{\"articleBody\":", "[", "</script>", 1 << 20},
	{"bytes that are no UTF-8", "<p>", "\xff\xfe\xc0", "</p>", 4 << 20},
	/* clang-format on */
};

static double seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static size_t fill(char *page, const char *start, const char *piece, const char *end, size_t size)
{
	size_t n = strlen(start), step = strlen(piece), tail = strlen(end);
	memcpy(page, start, n);
	for (; n + step + tail < size; n += step)
		memcpy(page + n, piece, step);
	memcpy(page + n, end, tail);
	return n + tail;
}

/* Sanitizers and a debug build take their share; without them each is over in a third. */
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
static const double patience = 8;
#else
static const double patience = 1;
#endif

Test(extract, hostile_pages_are_over_soon, .timeout = 120)
{
	char *page = xmalloc((4 << 20) + 4096);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		size_t n = fill(page, hostile[i].start, hostile[i].piece, hostile[i].end,
				hostile[i].size);
		double start = seconds();
		size_t len;
		char *text = extract_text(page, n, NULL, &len);
		cr_expect(seconds() - start < patience, "%s: %.2f s", hostile[i].what,
			  seconds() - start);
		cr_expect_eq(strlen(text), len, "%s", hostile[i].what);
		free(text);
	}
	free(page);
}

Test(extract, what_lies_too_deep_keeps_its_text)
{
	char *page = xmalloc(1 << 20);
	size_t n = fill(page, "", "<div>", ARTICLE, 500000);
	char *text = extract_text(page, n, NULL, NULL);
	cr_expect(strstr(text, "Third") != NULL, "%s", text);
	free(text);
	free(page);
}

Test(extract, nuls_and_an_ended_page)
{
	static const char html[] = "<p>" LONG("N\0u\0l") "</p>" ARTICLE "<p>\0</p><";
	for (size_t len = 0; len < sizeof(html); len++)
		free(extract_text(html, len, NULL, NULL));
	char *text = extract_text(html, sizeof(html) - 1, "utf-8", NULL);
	cr_expect(strncmp(text, "Nul of the", 10) == 0, "%s", text);
	free(text);
}
