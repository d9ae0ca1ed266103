/* idle: what a worker costs that has nothing to do. */
#include "load.h"

enum { SETTLE_MS = 3000 };

/* Nobody asks for its metrics meanwhile: that would be work. */
bool idle(struct bench *b, struct err *e)
{
	struct json_object *values = result_new();
	int64_t before_ns, ns;

	if (!worker_start(b, e) || !worker_await_ready(b, e) || !feed_wait(&b->feed, SETTLE_MS, e))
		return false;
	watch_begin(&b->watches);
	before_ns = proc_cpu_ns(b->worker[0]);
	if (!feed_wait(&b->feed, b->seconds * 1000, e))
		return false;
	ns = proc_cpu_ns(b->worker[0]) - before_ns;
	watch_end(&b->watches);
	if (!worker_sample(b, e))
		return false;
	result_set(values, "cpu_percent", (double)ns / b->watches.wall_s / 1e7);
	result_set(values, "rss", (double)proc_status(b->worker[0], "VmRSS") / 1024);
	result_set(values, "rss_anon", (double)proc_status(b->worker[0], "RssAnon") / 1024);
	result_set(values, "others", watch_others_percent(&b->watches));
	set_memory(b, values);
	result_print(b->name, values);
	return true;
}
