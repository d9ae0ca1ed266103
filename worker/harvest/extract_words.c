#include "harvest/extract_words.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { FLAT_MAX = 256, ID_WORDS_MAX = 4, COMMENTS = WORDS_JUNK | WORDS_READERS };

/*
 * Looked for in the attribute in lower case, with "-" for all that is no letter or digit and
 * between the humps of camelCase, and around the whole: "-main-article-body-". So "-ad-" is that
 * word alone, and "comment" any word with it.
 */
struct sign {
	const char *word;
	unsigned means;
};

static const struct sign signs[] = {
	/* clang-format off */
	/* What readers say. */
	{"-comment-", COMMENTS}, {"comments", COMMENTS}, {"commentlist", COMMENTS},
	{"-replies-", COMMENTS}, {"-respond-", COMMENTS}, {"disqus", COMMENTS},
	{"discussion", COMMENTS}, {"-reviews-", COMMENTS},
	/* Other pages. */
	{"-related", WORDS_JUNK}, {"-recirc", WORDS_JUNK}, {"recommend", WORDS_JUNK},
	{"-trending-", WORDS_JUNK}, {"-popular-", WORDS_JUNK}, {"-most-", WORDS_JUNK},
	{"read-more", WORDS_JUNK}, {"readmore", WORDS_JUNK}, {"read-next", WORDS_JUNK},
	{"up-next", WORDS_JUNK}, {"next-post", WORDS_JUNK}, {"nav-next", WORDS_JUNK},
	{"-prev-", WORDS_JUNK}, {"-previous-", WORDS_JUNK}, {"-see-also-", WORDS_JUNK},
	{"also-", WORDS_JUNK}, {"-similar-", WORDS_JUNK}, {"more-from-", WORDS_JUNK},
	{"more-stories", WORDS_JUNK}, {"morestories", WORDS_JUNK}, {"more-news", WORDS_JUNK},
	{"-latest-", WORDS_JUNK}, {"-teaser", WORDS_JUNK}, {"-interstitial-", WORDS_JUNK},
	{"readalso", WORDS_JUNK}, {"-links-", WORDS_JUNK}, {"linklist", WORDS_JUNK},
	{"-series-", WORDS_SHY},
	/* The page around it. */
	{"-nav-", WORDS_JUNK}, {"-navs-", WORDS_JUNK}, {"navbar", WORDS_JUNK},
	{"navigation", WORDS_JUNK}, {"-menu", WORDS_JUNK}, {"menu-", WORDS_JUNK},
	{"breadcrumb", WORDS_JUNK}, {"-crumbs-", WORDS_JUNK}, {"-footer", WORDS_JUNK},
	{"footer-", WORDS_JUNK}, {"sidebar", WORDS_JUNK}, {"side-bar", WORDS_JUNK},
	{"-rail-", WORDS_JUNK}, {"-aside-", WORDS_JUNK}, {"complementary", WORDS_JUNK},
	{"contentinfo", WORDS_JUNK}, {"toolbar", WORDS_JUNK}, {"-tools-", WORDS_JUNK},
	{"masthead", WORDS_JUNK}, {"-banner-", WORDS_JUNK}, {"pagination", WORDS_JUNK},
	{"-pager-", WORDS_JUNK}, {"-search-", WORDS_JUNK}, {"-login-", WORDS_JUNK},
	{"-print-", WORDS_SHY}, {"-widgets-", WORDS_JUNK}, {"widget-area", WORDS_JUNK},
	{"-textwidget-", WORDS_JUNK}, {"rollover", WORDS_JUNK}, {"-skip-", WORDS_JUNK},
	{"-copyright-", WORDS_JUNK}, {"-legal-", WORDS_SHY}, {"disclaimer", WORDS_JUNK},
	/* What it wants of the reader. */
	{"-share-", WORDS_JUNK}, {"-shares-", WORDS_JUNK}, {"-sharebar", WORDS_JUNK},
	{"-sharet", WORDS_JUNK}, {"sharing", WORDS_JUNK}, {"sharedaddy", WORDS_JUNK},
	{"-social", WORDS_JUNK}, {"social-", WORDS_JUNK}, {"newsletter", WORDS_JUNK},
	{"-signup-", WORDS_JUNK}, {"-sign-up-", WORDS_JUNK}, {"-subscribe-", WORDS_JUNK},
	{"-subscription-", WORDS_JUNK}, {"cookie", WORDS_JUNK}, {"-consent-", WORDS_JUNK},
	{"-gdpr-", WORDS_JUNK}, {"paywall", WORDS_SHY}, {"-donat", WORDS_JUNK},
	{"-follow-", WORDS_JUNK}, {"-cta-", WORDS_JUNK}, {"call-to-action", WORDS_JUNK},
	{"-poll-", WORDS_JUNK}, {"-rating", WORDS_JUNK}, {"-vote", WORDS_JUNK},
	{"-promo", WORDS_JUNK}, {"promo-", WORDS_JUNK}, {"sponsor", WORDS_JUNK},
	{"-ad-", WORDS_JUNK}, {"-ads-", WORDS_JUNK}, {"-advert", WORDS_JUNK}, {"-adv-", WORDS_JUNK},
	{"affiliate", WORDS_SHY}, {"-shop-", WORDS_JUNK}, {"-popup-", WORDS_JUNK},
	{"-modal-", WORDS_JUNK}, {"-overlay-", WORDS_JUNK}, {"tooltip", WORDS_JUNK},
	{"-dialog-", WORDS_JUNK}, {"-app-download-", WORDS_JUNK},
	/* About it. */
	{"-author", WORDS_SHY}, {"author-", WORDS_SHY}, {"byline", WORDS_SHY},
	{"-bio-", WORDS_JUNK}, {"biography", WORDS_SHY}, {"-date-", WORDS_SHY},
	{"dateline", WORDS_SHY}, {"-time-", WORDS_SHY}, {"timestamp", WORDS_SHY},
	{"-published-", WORDS_SHY}, {"-meta-", WORDS_SHY}, {"metadata", WORDS_SHY},
	{"-tags-", WORDS_JUNK}, {"-tag-", WORDS_SHY}, {"taglist", WORDS_JUNK},
	{"-topics-", WORDS_JUNK}, {"-categories-", WORDS_SHY}, {"-category-", WORDS_SHY},
	{"-headline-", WORDS_SHY}, {"-kicker-", WORDS_SHY}, {"-toc-", WORDS_JUNK},
	{"subtitle", WORDS_SHY}, {"-dek-", WORDS_SHY}, {"-deck-", WORDS_SHY},
	{"standfirst", WORDS_SHY}, {"subheadline", WORDS_SHY}, {"sub-headline", WORDS_SHY},
	{"table-of-contents", WORDS_JUNK}, {"-source-", WORDS_SHY},
	/* Pictures. */
	{"caption", WORDS_SHY}, {"-credit", WORDS_SHY}, {"-gallery", WORDS_JUNK},
	{"carousel", WORDS_JUNK}, {"slideshow", WORDS_JUNK}, {"-slider-", WORDS_JUNK},
	{"-player-", WORDS_SHY}, {"-playlist", WORDS_JUNK}, {"-video-", WORDS_SHY},
	{"-embed-", WORDS_SHY}, {"-photo-", WORDS_SHY}, {"-image-", WORDS_SHY},
	{"-infobox-", WORDS_JUNK}, {"-factbox-", WORDS_SHY},
	/* Not for the eye. */
	{"sr-only", WORDS_SHY}, {"visually-hidden", WORDS_SHY}, {"visuallyhidden", WORDS_SHY},
	{"screen-reader", WORDS_SHY}, {"-hidden-", WORDS_SHY}, {"-hide-", WORDS_SHY},
	/* The article. */
	{"article-body", WORDS_BODY}, {"articlebody", WORDS_BODY}, {"article-content", WORDS_BODY},
	{"articlecontent", WORDS_BODY}, {"article-text", WORDS_BODY}, {"articletext", WORDS_BODY},
	{"story-body", WORDS_BODY}, {"storybody", WORDS_BODY}, {"story-content", WORDS_BODY},
	{"story-text", WORDS_BODY}, {"entry-content", WORDS_BODY}, {"entry-body", WORDS_BODY},
	{"entrycontent", WORDS_BODY}, {"post-content", WORDS_BODY}, {"post-body", WORDS_BODY},
	{"postcontent", WORDS_BODY}, {"post-entry", WORDS_BODY}, {"post-text", WORDS_BODY},
	{"body-copy", WORDS_BODY}, {"body-text", WORDS_BODY}, {"body-content", WORDS_GOOD},
	{"news-content", WORDS_BODY}, {"news-text", WORDS_BODY}, {"content-body", WORDS_BODY},
	{"page-content", WORDS_GOOD}, {"-article-", WORDS_GOOD}, {"-story-", WORDS_GOOD},
	{"-post-", WORDS_GOOD}, {"-entry-", WORDS_GOOD}, {"-content-", WORDS_GOOD},
	{"-body-", WORDS_GOOD}, {"-text-", WORDS_GOOD}, {"-main-", WORDS_GOOD},
	{"-blog-", WORDS_GOOD}, {"-page-", WORDS_GOOD}, {"-hentry-", WORDS_ENTRY},
	{"-type-post-", WORDS_ENTRY},
	/* clang-format on */
};

enum { SIGNS = sizeof(signs) / sizeof(signs[0]) };

/* "Main_articleBody" becomes "-main-article-body-". */
static size_t flatten(const char *s, char flat[FLAT_MAX])
{
	size_t n = 0;
	flat[n++] = '-';
	for (char before = '-'; *s != '\0' && n < FLAT_MAX - 3; before = *s++) {
		if (!isalnum((unsigned char)*s)) {
			if (flat[n - 1] != '-')
				flat[n++] = '-';
			continue;
		}
		if (isupper((unsigned char)*s) && islower((unsigned char)before))
			flat[n++] = '-';
		flat[n++] = (char)tolower((unsigned char)*s);
	}
	if (flat[n - 1] != '-')
		flat[n++] = '-';
	flat[n] = '\0';
	return n;
}

static unsigned bucket_of(const char *two)
{
	return ((unsigned char)two[0] * 7u + (unsigned char)two[1] * 31u) % WORDS_BUCKETS;
}

void words_init(struct words *w)
{
	_Static_assert(SIGNS < sizeof(w->next), "one place a sign");
	memset(w, 0, sizeof(*w));
	for (size_t i = 0; i < SIGNS; i++) {
		unsigned b = bucket_of(signs[i].word);
		w->next[i + 1] = w->first[b];
		w->first[b] = (unsigned char)(i + 1);
	}
}

unsigned words_judge(const struct words *w, const char *attribute)
{
	if (attribute == NULL || attribute[0] == '\0')
		return 0;
	char flat[FLAT_MAX];
	size_t n = flatten(attribute, flat);
	unsigned means = 0;
	for (size_t at = 0; at + 1 < n; at++)
		for (unsigned i = w->first[bucket_of(flat + at)]; i != 0; i = w->next[i]) {
			const struct sign *sign = &signs[i - 1];
			if (strncmp(flat + at, sign->word, strlen(sign->word)) == 0)
				means |= sign->means;
		}
	/* There are the names of the article's subjects, too. */
	if (means & WORDS_ENTRY)
		means &= ~(unsigned)(WORDS_JUNK | WORDS_SHY);
	return means;
}

unsigned words_judge_id(const struct words *w, const char *id)
{
	char flat[FLAT_MAX];
	size_t n = id != NULL ? flatten(id, flat) : 0;
	unsigned words = 0;
	for (size_t i = 1; i < n; i++)
		words += flat[i] == '-';
	return words > ID_WORDS_MAX ? 0 : words_judge(w, id);
}

unsigned words_judge_style(const char *style)
{
	static const char *const hiding[] = {"display:none", "visibility:hidden"};
	char flat[FLAT_MAX];
	size_t n = 0;
	for (; style != NULL && *style != '\0' && n < FLAT_MAX - 1; style++)
		if (!isspace((unsigned char)*style))
			flat[n++] = (char)tolower((unsigned char)*style);
	flat[n] = '\0';
	for (size_t i = 0; i < sizeof(hiding) / sizeof(hiding[0]); i++)
		if (strstr(flat, hiding[i]) != NULL)
			return WORDS_HIDDEN;
	return 0;
}
