'use strict';
/* documents.js INCLUDE: the AsyncAPI document and the schemas are valid, each job, event and dead
 * letter has an example, each example is valid, and no member of one can be renamed unnoticed. */
const fs = require('fs');
const path = require('path');
const { Parser } = require('@asyncapi/parser');
const { CloudEvent } = require('cloudevents');
const { compile, filesBelow, readJson } = require('./schemas.js');

const include = process.argv[2];
const strict = compile(include, true);
const tolerant = compile(include, false);
const complaints = [];

function complain(text) {
	complaints.push(text);
}

/* ---- examples ---- */

/* Objects whose members are others' words, or a row's that may grow. */
const open = [
	/^jobs\/.* \/(voice_params|user_preferences|test_scenarios)$/,
	/^jobs\/snippet_generation.* \/topic_info(\/original_topic_details_from_tda)?$/,
	/^events\/.* \/data\/result\/final_audio_details(\/|$)/,
	/^events\/(search|topic|landing).* \/data\/result\/(search_results|explored_topics|snippets)\/\d+(\/|$)/,
	/^events\/snippet_generation\.completed \/data\/result(\/|$)/,
	/^dead_letters\/.*$/,
];

/* Calls visit(object, member, pointer of the object) for every member of every object. */
function walk(value, pointer, visit) {
	if (value === null || typeof value !== 'object')
		return;
	for (const key of Object.keys(value)) {
		if (!Array.isArray(value))
			visit(value, key, pointer);
		walk(value[key], `${pointer}/${key}`, visit);
	}
}

/* All of a schema is read when it is first used. */
function checkSchemas() {
	for (const name of Object.keys(strict.names)) {
		try {
			strict.refusal(name, {});
		} catch (e) {
			complain(`schemas/${name}.json: ${e.message}`);
		}
	}
	return complaints.length === 0;
}

/* A member under another name must be noticed, wherever it stands. */
function renamed(name, schema, example) {
	walk(example, '', (object, key, pointer) => {
		if (open.some((pattern) => pattern.test(`${name} ${pointer}`)))
			return;
		const value = object[key];

		delete object[key];
		object[`${key}_renamed`] = value;
		if (!strict.refusal(schema, example))
			complain(`examples/${name}.json: ${pointer}/${key} can be renamed, and schema ${schema} does not notice`);
		delete object[`${key}_renamed`];
		object[key] = value;
	});
}

/* examples/jobs/TYPE[.VARIANT].json, examples/events/TYPE.KIND[.VARIANT].json */
function schemaOf(name) {
	const [folder, file] = name.split('/');
	const part = file.split('.');

	if (folder === 'dead_letters')
		return 'dead_letter';
	return folder === 'jobs' ? `jobs/${part[0]}` : `events/${part[0]}#${part[1]}`;
}

function checkExamples() {
	const folder = path.join(include, 'examples');
	const seen = new Set();

	for (const file of filesBelow(folder)) {
		const name = path.relative(folder, file).replace(/\.json$/, '');
		const schema = schemaOf(name);
		const example = readJson(file);
		const why = strict.refusal(schema, example) || tolerant.refusal(schema, example);

		seen.add(schema);
		if (why) {
			complain(`examples/${name}.json does not fit its schema ${schema}: ${why}`);
			continue;
		}
		renamed(name, schema, example);
		if (name.startsWith('events/'))
			new CloudEvent(example).validate();
	}
	for (const [name, schema] of Object.entries(strict.names)) {
		const parts = schema.oneOf ? schema.oneOf.map((o) => `${name}${o.$ref.replace('/$defs/', '')}`) : [name];

		for (const part of parts)
			if (/^(jobs\/|events\/.*#|dead_letter)/.test(part) && part !== 'jobs/message' && !seen.has(part))
				complain(`schema ${part} has no example: add one to include/examples`);
	}
}

/* ---- AsyncAPI ---- */

async function checkAsyncapi() {
	const file = path.join(include, 'asyncapi.yaml');
	const { document, diagnostics } = await new Parser().parse(fs.readFileSync(file, 'utf8'), { source: file });

	/* 0: an error, 1: a warning; what is less is advice. */
	for (const d of diagnostics.filter((one) => one.severity <= 1))
		complain(`asyncapi.yaml:${d.range.start.line + 1}: ${d.path.join('.')}: ${d.message}`);
	if (!document)
		return;
	const names = new Set(document.allMessages().all().map((m) => m.name()));
	const addresses = new Set(document.allChannels().all().map((c) => c.address()));

	for (const [name, schema] of Object.entries(strict.names)) {
		const type = name.replace(/^(jobs|events)\//, '');

		if (name.startsWith('jobs/') && type !== 'message' && !(names.has(type) && addresses.has(type)))
			complain(`asyncapi.yaml has no channel and message for jobs of type ${type}`);
		for (const { $ref } of (name.startsWith('events/') && schema.oneOf) || [])
			if (!names.has(`aethercast.cpoa.${type}.${$ref.replace('#/$defs/', '')}`))
				complain(`asyncapi.yaml has no message for ${name}${$ref}`);
	}
}

async function main() {
	if (checkSchemas())
		checkExamples();
	await checkAsyncapi();
	for (const text of complaints)
		console.log(text);
	process.exitCode = complaints.length ? 1 : 0;
}

main();
