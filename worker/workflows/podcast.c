/*
 * podcast_generation: harvest the web, write a script, speak it (agents.md §1.1).
 *
 * The stages, their messages and the legacy statuses are the original's: its gateway, its ASF and
 * its users' pages know them. What its versions disagree on is settled in agents.md §0.
 */
#include <string.h>

#include "cpoa/json.h"

#include "agents/agents.h"
#include "workflows/podcast_parts.h"
#include "workflows/workflows.h"

enum { TOPIC_MAX = 2000 };

/* ---- the job's arguments ---- */

static bool check_scenarios(struct json_object *scenarios, struct err *e)
{
	json_object_object_foreach(scenarios, agent, scenario)
	{
		const char *text = json_object_get_string(scenario);

		if (!json_object_is_type(scenario, json_type_string) ||
		    !header_safe(text, SCENARIO_MAX))
			return err_set(e, ERR_REJECT,
				       "field 'test_scenarios.%.*s' must be a string of 1 to %d "
				       "printable ASCII characters",
				       (int)utf8_cut(agent, strlen(agent), 32), agent,
				       SCENARIO_MAX);
	}
	return true;
}

static bool check(struct json_object *args, struct err *e)
{
	struct json_object *scenarios;

	if (!arg_text(args, "topic", true, TOPIC_MAX, e) || !arg_uuid(args, "task_id", true, e) ||
	    !arg_kind(args, "voice_params", json_type_object, e) ||
	    !arg_kind(args, "test_scenarios", json_type_object, e))
		return false;
	scenarios = json_obj(args, "test_scenarios");
	return !scenarios || check_scenarios(scenarios, e);
}

/* What the user asked for, else what the user prefers: a new reference; NULL: neither. */
static struct json_object *effective_voice(struct run *run)
{
	static const char *const map[][2] = {
		{"preferred_vfa_voice_name", "voice_name"},
		{"preferred_vfa_language_code", "language_code"},
		{"preferred_vfa_speaking_rate", "speaking_rate"},
		{"preferred_vfa_pitch", "pitch"},
	};
	struct json_object *voice, *given = run_obj(run, "voice_params");
	struct json_object *preferences = run_obj(run, "user_preferences");

	if (!given && !preferences)
		return NULL;
	voice = json_object_new_object();
	if (given) {
		json_object_object_foreach(given, key, value) json_set_ref(voice, key, value);
	}
	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++) {
		struct json_object *preferred = json_any(preferences, map[i][0]);

		if (preferred && !json_any(voice, map[i][1]))
			json_set_ref(voice, map[i][1], preferred);
	}
	return voice;
}

/* ---- the legacy statuses of a failed stage ---- */

static const char *pswa_status(enum reply_kind kind)
{
	if (kind == REPLY_NOT_JSON)
		return "failed_pswa_json_decode";
	return kind == REPLY_MALFORMED ? "failed_pswa_bad_script_structure"
				       : "failed_pswa_request_exception";
}

static const char *vfa_status(enum reply_kind kind)
{
	switch (kind) {
	case REPLY_NOT_JSON:
		return "failed_vfa_json_decode";
	case REPLY_REPORTED:
	case REPLY_TASK_FAILED:
		return "failed_vfa_reported_error";
	case REPLY_MALFORMED:
		return "failed_vfa_unknown_status";
	case REPLY_RESULT:
	case REPLY_UNREACHABLE:
	case REPLY_TIMED_OUT:
	case REPLY_HTTP:
	case REPLY_KINDS:
		break;
	}
	return "failed_vfa_request_exception";
}

/* ---- the function ---- */

/* The row in `podcasts` shows the stage from the moment at which its call is planned. */
static enum progress waiting(struct run *run)
{
	if (run->stage.told)
		run_save_stage(run, run->stage.name);
	return RUN_WAITING;
}

static bool has(struct json_object *o, const char *key)
{
	const char *s = json_str(o, key);

	return s && *s;
}

static enum progress voiced(struct run *run, const struct podcast *p)
{
	struct json_object *audio = reply_body(p->audio);
	const char *status = json_str(audio, "status");

	if (strcmp(status, "skipped") == 0) {
		const char *message = json_str(audio, "message");

		return podcast_end(run, p, "completed_with_vfa_skipped",
				   message ? message : "VFA skipped the synthesis.");
	}
	if (!has(audio, "audio_filepath") || !has(audio, "stream_id"))
		return podcast_end(run, p, "completed_with_vfa_data_missing",
				   "ASF notification skipped: audio_filepath or stream_id missing "
				   "from VFA success response.");
	run_stage(run, "asf_notification", "Preparing audio stream...");
	return podcast_end(run, p, "completed", NULL);
}

static enum progress step(struct run *run)
{
	struct podcast p = {0};
	const char *topic = run_str(run, "topic");
	struct json_object *voice;

	run_stage(run, "wcha_content_retrieval", "Fetching web content...");
	p.web = wcha_harvest(run, topic);
	if (!p.web)
		return waiting(run);
	if (p.web->error)
		return podcast_end(run, &p, "failed_wcha_content_harvest", p.web->error);

	run_stage(run, "pswa_script_generation", "Crafting script...");
	p.script = pswa_weave(run, topic, p.web);
	if (!p.script)
		return waiting(run);
	if (p.script->error)
		return podcast_end(run, &p, pswa_status(p.script->kind), p.script->error);

	run_stage(run, "vfa_audio_generation", "Synthesizing audio...");
	voice = effective_voice(run);
	p.audio = vfa_forge(run, p.script, voice);
	json_put(&voice);
	if (!p.audio)
		return waiting(run);
	if (p.audio->error)
		return podcast_end(run, &p, vfa_status(p.audio->kind), p.audio->error);
	return voiced(run, &p);
}

static void give_up(struct run *run, const char *code, const char *text)
{
	podcast_abandon(run, code, text);
}

const struct workflow podcast_generation = {
	.type = "podcast_generation",
	.index = WORKFLOW_PODCAST,
	.check = check,
	.step = step,
	.give_up = give_up,
	.started_message = "Podcast generation started.",
	.completed_message = "Podcast generation complete!",
};
