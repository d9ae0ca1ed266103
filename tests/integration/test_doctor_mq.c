/* links: cpoa_world cpoa_db cpoa_mq */
/* `cpoa doctor` and the broker: what is broken is made so here, and it must be named together with
 * its mend. */
#include <stdio.h>
#include <unistd.h>

#include "doctor_help.h"

/* The tests' AMQP_URL with another scheme, user (NULL: its own) and virtual host. */
static const char *amqp(struct world *w, const char *scheme, const char *user, const char *vhost)
{
	const char *own = strstr(getenv("AMQP_URL"), "://") + 3, *at = strchr(own, '@');
	int host = (int)strcspn(at, "/"), from = user ? (int)strlen(user) : (int)(at - own);

	return world_format(w, "AMQP_URL=%s://%.*s%.*s/%s", scheme, from, user ? user : own, host,
			    at, vhost);
}

static const char *vhost_of(struct world *w)
{
	return world_rows(w, "SELECT current_database()"); /* they bear the same name */
}

Test(doctor_mq, rabbitmq_refuses_us)
{
	struct world *w = open_well();
	struct json_object *found;

	cr_assert_eq(examine(w, &found, amqp(w, "amqp", "guest:wrong", vhost_of(w))), USAGE);
	expect_told(found, "rabbitmq login", "wrong", "ACCESS_REFUSED",
		    "Set the user and password");
	expect_told(found, "topology", "skipped", "no connection", NULL);
	cr_assert_eq(examine(w, &found, amqp(w, "amqp", NULL, "nowhere")), USAGE);
	expect_told(found, "rabbitmq login", "wrong", "nowhere", "Set the virtual host");
	cr_assert_eq(examine(w, &found, amqp(w, "amqps", NULL, vhost_of(w))), USAGE);
	expect_told(found, "rabbitmq login", "wrong", "speaks no TLS", "TLS port");
	cr_assert_eq(examine(w, &found, "AMQP_URL=amqp://127.0.0.1:1/"), NO_SERVER);
	expect_told(found, "rabbitmq login", "wrong", "RabbitMQ at 127.0.0.1:1", "Start RabbitMQ");
	world_close(w);
}

Test(doctor_mq, a_broker_that_demands_tls)
{
	const char *port = getenv("CPOA_TEST_AMQPS_PORT");
	struct json_object *found;
	struct world *w;

	if (!port)
		cr_skip("CPOA_TEST_AMQPS_PORT is unset: tests/servers.sh start DIR --tls");
	w = open_well();
	cr_assert_eq(examine(w, &found,
			     world_format(w, "AMQP_URL=amqp://guest:guest@127.0.0.1:%s/", port)),
		     USAGE);
	expect_told(found, "rabbitmq login", "wrong", "it speaks TLS", "amqps://");
	world_close(w);
}

Test(doctor_mq, queues_that_are_missing_or_of_another_kind)
{
	struct world *w = open_well();
	struct json_object *found;
	struct err e;

	cr_assert_eq(world_api(w, "DELETE", "/api/queues/{vhost}/cpoa.dead", NULL), 204);
	cr_assert_eq(
		world_api(w, "DELETE", "/api/queues/{vhost}/cpoa.jobs.topic_exploration", NULL),
		204);
	cr_assert(mq_declare_queue(world_mq(w), "cpoa.jobs.topic_exploration", false, NULL, 0, NULL,
				   &e),
		  "%s", e.text);
	cr_assert_eq(examine(w, &found, NULL), FAILED);
	expect_told(found, "topology", "wrong", "missing: queue cpoa.dead", "cpoa topology apply");
	expect_told(
		found, "topology", "wrong",
		"queue cpoa.jobs.topic_exploration: declare queue: RabbitMQ: PRECONDITION_FAILED",
		"delete it");
	cr_expect_eq(count(found, "wrong"), 2);
	cr_assert_eq(examine(w, &found, NULL), FAILED, "it has mended nothing by itself");
	expect_told(found, "topology", "wrong", "missing: queue cpoa.dead", "cpoa topology apply");
	world_close(w);
}

Test(doctor_mq, permissions_that_are_missing)
{
	struct world *w = open_well();
	const char *user = world_format(w, "doctor%ld", (long)getpid());
	const char *path = world_format(w, "/api/users/%s", user);
	const char *permissions = world_format(w, "/api/permissions/{vhost}/%s", user);
	const char *url = amqp(w, "amqp", world_format(w, "%s:secret", user), vhost_of(w));
	struct json_object *found;

	world_api(w, "PUT", path, "{\"password\":\"secret\",\"tags\":\"\"}");
	world_api(w, "PUT", permissions,
		  "{\"configure\":\"^cpoa\",\"write\":\"^(cpoa.*|amq.default)$\",\"read\":\"^"
		  "cpoa\"}");
	cr_assert_eq(examine(w, &found, url), DONE);
	world_api(w, "PUT", permissions,
		  "{\"configure\":\"^$\",\"write\":\"^amq.default$\",\"read\":\"^cpoa.jobs.p\"}");
	cr_assert_eq(examine(w, &found, url), FAILED);
	expect_told(found, "topology", "wrong", "ACCESS_REFUSED", "CPOA_DECLARE_TOPOLOGY=false");
	expect_told(found, "rabbitmq permissions", "wrong", "exchange 'cpoa.events'",
		    "set_permissions");
	expect_told(found, "rabbitmq permissions", "wrong", "cpoa.jobs.snippet_generation",
		    "set_permissions");
	cr_expect_eq(world_api(w, "DELETE", path, NULL), 204);
	world_close(w);
}
