/* What a stranger writes with libcpoa-client: a podcast, shown stage by stage. */
#include <cpoa/client.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static bool show(void *ctx, const struct cpoa_client_event *event)
{
	(void)ctx;
	printf("%s: %s\n", event->stage, event->message);
	return true;
}

int main(void)
{
	struct cpoa_client_options options = {.url = getenv("AMQP_URL")};
	struct cpoa_client_job job = {.type = "podcast_generation",
				      .arguments =
					      "{\"topic\":\"Tea\",\"client_id\":\"me\",\"task_id\":"
					      "\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\"}"};
	struct cpoa_client_ticket ticket;
	struct cpoa_client_event end;
	struct cpoa_client_error error;
	struct cpoa_client *client;

	signal(SIGPIPE, SIG_IGN);
	client = cpoa_client_connect(&options, &error);
	if (!client || !cpoa_client_follow(client, job.type, &error) ||
	    !cpoa_client_enqueue(client, &job, &ticket, &error) ||
	    !cpoa_client_wait(client, &ticket, 60000, show, NULL, &end, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	printf("%s %s\n", end.kind, end.workflow_id);
	cpoa_client_close(client);
	return 0;
}
