/* iga.c - the image generator: agents.md §2.5 */
#include "standin.h"

#include <inttypes.h>

static void work(const struct job *job, struct outcome *outcome)
{
	char url[80];

	(void)snprintf(url, sizeof(url), "gs://aethercast-images/cover_%016" PRIx64 ".png",
		       job->hash);
	outcome->result = json_object_new_object();
	json_put_text(outcome->result, "image_url", url);
	json_put_text(outcome->result, "prompt_used", json_text(job->body, "prompt"));
	json_put_text(outcome->result, "model_version", "stand-in");
}

static bool check(const struct json_object *body, struct refusal *refusal)
{
	if (!json_object_is_type(body, json_type_object))
		return refuse(refusal, "IGA_INVALID_PAYLOAD", "The body must be a JSON object.");
	if (is_blank(json_text(body, "prompt")))
		return refuse(refusal, "IGA_BAD_REQUEST_PROMPT_MISSING", "'prompt' is required.");
	return true;
}

static const struct scenario scenarios[] = {
	/* What the last version of the original answers: a picture, but no image_url. */
	{.name = "success_placeholder",
	 .replace = "{\"status\":\"success\",\"image_format\":\"png\",\"gcs_uri\":null,"
		    "\"image_base64\":"
		    "\"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
		    "DwADhgGAWjR9awAAAABJRU5ErkJggg==\"}"},
	{.name = "error_vertex_ai",
	 .state = "FAILURE",
	 .http = 500,
	 .replace = "{\"error\":{\"type\":\"task_failed\",\"message\":\"Simulated Vertex AI "
		    "error.\"}}"},
	{.name = "no_bucket",
	 .refuse_http = 503,
	 .replace = "{\"error_code\":\"IGA_CONFIG_ERROR_GCS_BUCKET\",\"message\":\"No bucket is "
		    "set.\"}"},
	{.name = NULL},
};

const struct agent iga_agent = {
	.id = IGA,
	.name = "iga",
	.title = "IGA",
	.path = {"/generate_image"},
	.status_path = "/v1/tasks/",
	.busy_state = "STARTED",
	.conflict_http = 200, /* in the original's code; its README says 409 */
	.key_required = true,
	.check = check,
	.work = work,
	.scenarios = scenarios,
};
