#include "cpoa/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cpoa/err.h"

/*
 * A series is one cell; of a histogram, one cell a bucket (what fell into it alone, +Inf last) and
 * one for the sum. The buckets are added up only when they are printed.
 */

static double process_start; /* seconds since 1970 */

static size_t label_size(const struct metric *m, size_t label)
{
	return m->labels[label].n ? m->labels[label].n : 1;
}

static size_t series_cells(const struct metric *m)
{
	return m->kind == METRIC_HISTOGRAM ? m->n_buckets + 2 : 1;
}

/* The fields of /proc/self/stat from the third on, which come behind a name that may hold anything.
 */
static unsigned long long process_start_ticks(void)
{
	enum { FIELD = 22 };
	char text[1024];
	char *p;
	FILE *f = fopen("/proc/self/stat", "re");
	size_t n;

	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	for (int field = 2; p && field < FIELD; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

/* Once, because wall time may move against the time since boot, and a start must not. */
static double process_start_seconds(void)
{
	struct timespec wall, boot;
	double ticks = (double)process_start_ticks() / (double)sysconf(_SC_CLK_TCK);

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (double)(wall.tv_sec - boot.tv_sec) + (double)(wall.tv_nsec - boot.tv_nsec) / 1e9 +
	       ticks;
}

void metrics_setup(struct metric *const *families, size_t n)
{
	process_start = process_start_seconds();
	for (size_t i = 0; i < n; i++) {
		struct metric *m = families[i];

		assert(!m->cells && m->n_buckets <= METRIC_BUCKETS_MAX);
		assert((m->kind == METRIC_HISTOGRAM) == (m->n_buckets > 0));
		for (size_t b = 1; b < m->n_buckets; b++)
			assert(m->buckets[b - 1] < m->buckets[b]);
		m->cells = xcalloc(label_size(m, 0) * label_size(m, 1) * series_cells(m),
				   sizeof(*m->cells));
	}
}

void metrics_release(struct metric *const *families, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(families[i]->cells);
		families[i]->cells = NULL;
	}
}

/* ---- counting ---- */

static size_t label_place(const struct metric *m, size_t label, size_t place)
{
	const struct metric_label *l = &m->labels[label];

	if (place < label_size(m, label))
		return place;
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->values[i], "other") == 0)
			return i;
	}
	BUG("%s has no value %zu for its label %s", m->name, place, l->name ? l->name : "(none)");
}

static _Atomic int64_t *series(const struct metric *m, size_t i, size_t j)
{
	size_t place = label_place(m, 0, i) * label_size(m, 1) + label_place(m, 1, j);

	return m->cells ? m->cells + place * series_cells(m) : NULL;
}

static void add(_Atomic int64_t *cell, int64_t n)
{
	atomic_fetch_add_explicit(cell, n, memory_order_relaxed);
}

static int64_t get(_Atomic int64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

void metric_add(struct metric *m, size_t i, size_t j, int64_t n)
{
	_Atomic int64_t *cell = series(m, i, j);

	assert(m->kind == METRIC_GAUGE || (m->kind == METRIC_COUNTER && n >= 0));
	if (cell)
		add(cell, n);
}

void metric_set(struct metric *m, size_t i, size_t j, int64_t value)
{
	_Atomic int64_t *cell = series(m, i, j);

	assert(m->kind == METRIC_GAUGE);
	if (cell)
		atomic_store_explicit(cell, value, memory_order_relaxed);
}

/* `n` counts in units of 1 / `scale`. */
static void observe(struct metric *m, size_t i, size_t j, int64_t n, double scale)
{
	_Atomic int64_t *cells = series(m, i, j);
	size_t b = 0;

	assert(m->kind == METRIC_HISTOGRAM);
	if (!cells)
		return;
	if (n < 0)
		n = 0;
	while (b < m->n_buckets && (double)n > m->buckets[b] * scale)
		b++;
	add(&cells[b], 1);
	add(&cells[m->n_buckets + 1], n);
}

void metric_observe(struct metric *m, size_t i, size_t j, int64_t us)
{
	observe(m, i, j, us, 1e6);
}

void metric_observe_count(struct metric *m, size_t i, size_t j, int64_t n)
{
	observe(m, i, j, n, 1.0);
}

int64_t metric_value(const struct metric *m, size_t i, size_t j)
{
	_Atomic int64_t *cells = series(m, i, j);
	int64_t count = 0;

	if (m->kind == METRIC_GAUGE && m->read)
		return m->read();
	if (!cells)
		return 0;
	if (m->kind != METRIC_HISTOGRAM)
		return get(cells);
	for (size_t b = 0; b <= m->n_buckets; b++)
		count += get(&cells[b]);
	return count;
}

/* ---- printing ---- */

static void put_escaped(struct strbuf *out, const char *s, bool quotes)
{
	for (; *s; s++) {
		if (*s == '\n')
			strbuf_adds(out, "\\n");
		else if (*s == '\\' || (quotes && *s == '"'))
			strbuf_addf(out, "\\%c", *s);
		else
			strbuf_addc(out, *s);
	}
}

static void put_head(struct strbuf *out, const char *name, const char *help, const char *type)
{
	strbuf_addf(out, "# HELP %s ", name);
	put_escaped(out, help, false);
	strbuf_addf(out, "\n# TYPE %s %s\n", name, type);
}

/* `{a="x",b="y",le="0.5"}`, or nothing; `le` may be NULL. */
static void put_labels(struct strbuf *out, const struct metric *m, const size_t place[],
		       const char *le)
{
	char sign = '{';

	for (size_t l = 0; l < METRIC_LABELS_MAX; l++) {
		if (!m->labels[l].n)
			continue;
		strbuf_addf(out, "%c%s=\"", sign, m->labels[l].name);
		put_escaped(out, m->labels[l].values[place[l]], true);
		strbuf_addc(out, '"');
		sign = ',';
	}
	if (le) {
		strbuf_addf(out, "%cle=\"%s\"", sign, le);
		sign = ',';
	}
	if (sign == ',')
		strbuf_addc(out, '}');
}

static bool in_seconds(const struct metric *m)
{
	static const char unit[] = "_seconds";
	size_t len = strlen(m->name);

	return len >= sizeof(unit) - 1 && strcmp(m->name + len - (sizeof(unit) - 1), unit) == 0;
}

static void put_histogram(struct strbuf *out, const struct metric *m, const size_t place[],
			  _Atomic int64_t *cells)
{
	int64_t count = 0, sum = get(&cells[m->n_buckets + 1]);
	char le[32];

	for (size_t b = 0; b <= m->n_buckets; b++) {
		if (b < m->n_buckets)
			snprintf(le, sizeof(le), "%.10g", m->buckets[b]);
		else
			snprintf(le, sizeof(le), "+Inf");
		count += get(&cells[b]);
		strbuf_addf(out, "%s_bucket", m->name);
		put_labels(out, m, place, le);
		strbuf_addf(out, " %" PRId64 "\n", count);
	}
	strbuf_addf(out, "%s_sum", m->name);
	put_labels(out, m, place, NULL);
	if (in_seconds(m))
		strbuf_addf(out, " %" PRId64 ".%06d\n", sum / 1000000, (int)(sum % 1000000));
	else
		strbuf_addf(out, " %" PRId64 "\n", sum);
	strbuf_addf(out, "%s_count", m->name);
	put_labels(out, m, place, NULL);
	strbuf_addf(out, " %" PRId64 "\n", count);
}

static void put_family(struct strbuf *out, const struct metric *m)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	size_t place[METRIC_LABELS_MAX];

	put_head(out, m->name, m->help, types[m->kind]);
	for (place[0] = 0; place[0] < label_size(m, 0); place[0]++) {
		for (place[1] = 0; place[1] < label_size(m, 1); place[1]++) {
			_Atomic int64_t *cells = series(m, place[0], place[1]);

			if (m->kind == METRIC_HISTOGRAM && cells) {
				put_histogram(out, m, place, cells);
			} else {
				strbuf_adds(out, m->name);
				put_labels(out, m, place, NULL);
				strbuf_addf(out, " %" PRId64 "\n",
					    metric_value(m, place[0], place[1]));
			}
		}
	}
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -3; /* ".", ".." and the directory itself */

	if (!dir)
		return 0;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this directory */
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Virtual and resident. */
static void memory_pages(unsigned long long pages[2])
{
	FILE *f = fopen("/proc/self/statm", "re");
	char text[256];
	char *end;

	if (!f)
		return;
	if (fgets(text, sizeof(text), f)) {
		pages[0] = strtoull(text, &end, 10);
		pages[1] = strtoull(end, NULL, 10);
	}
	fclose(f);
}

static void put_process(struct strbuf *out)
{
	unsigned long long pages[2] = {0, 0};
	unsigned long long page_size = (unsigned long long)sysconf(_SC_PAGESIZE);
	struct rusage usage = {0};
	struct rlimit files = {0};

	memory_pages(pages);
	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &files);
	put_head(out, "process_cpu_seconds_total", "User and system CPU time spent in seconds.",
		 "counter");
	strbuf_addf(out, "process_cpu_seconds_total %.6f\n",
		    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	put_head(out, "process_open_fds", "Number of open file descriptors.", "gauge");
	strbuf_addf(out, "process_open_fds %d\n", open_descriptors());
	put_head(out, "process_max_fds", "Maximum number of open file descriptors.", "gauge");
	strbuf_addf(out, "process_max_fds %llu\n", (unsigned long long)files.rlim_cur);
	put_head(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", "gauge");
	strbuf_addf(out, "process_virtual_memory_bytes %llu\n", pages[0] * page_size);
	put_head(out, "process_resident_memory_bytes", "Resident memory size in bytes.", "gauge");
	strbuf_addf(out, "process_resident_memory_bytes %llu\n", pages[1] * page_size);
	put_head(out, "process_start_time_seconds", "Start time since the Unix epoch in seconds.",
		 "gauge");
	strbuf_addf(out, "process_start_time_seconds %.2f\n", process_start);
}

void metrics_print(struct metric *const *families, size_t n, int process, struct strbuf *out)
{
	for (size_t i = 0; i < n; i++)
		put_family(out, families[i]);
	if (process)
		put_process(out);
}
