'use strict';
/*
 * recorded.js INCLUDE FOLDER|FILE: what the integration tests have sent and got, line by line, as
 * tests/integration/world_record.c writes it. Ends with code 1 and a sentence at the first that
 * escapes its schema:
 *
 *   event      fits its schema, strictly, and CloudEvents
 *   admitted   a job that a worker has taken fits its schema, its message fits jobs/message
 *   dead       a dead letter fits its schema; a job refused as invalid_job fits none of its own
 */
const fs = require('fs');
const { CloudEvent } = require('cloudevents');
const { compile, filesBelow } = require('./schemas.js');

const [, , include, where] = process.argv;
const strict = compile(include, true);
const tolerant = compile(include, false);
const counts = {};

/* What the worker refuses as invalid_job and a schema cannot say. */
const beyondSchemas = [
	/^field 'keywords\[\d+\]' must be a string of at most 200 bytes$/, // bytes, not characters
	/^property message_id is no clean text/, // 255 bytes, or bytes that are no UTF-8
	/^property (reply_to|correlation_id) is no clean text$/,
	/^the message has more than 64 headers$/, // the row keeps 64
];

function checkEvent(line) {
	const event = line.body;
	const kind = /^aethercast\.cpoa\.([a-z_]+)\.([a-z]+)$/.exec(event.type);

	if (!kind || !strict.names[`events/${kind[1]}`] || !strict.names[`events/${kind[1]}`].$defs[kind[2]])
		return `there is no schema for its type ${event.type}`;
	if (line.routing_key && line.routing_key !== `${kind[1]}.${kind[2]}`)
		return `its routing key is ${line.routing_key}`;
	new CloudEvent(event).validate();
	return strict.refusal(`events/${kind[1]}#${kind[2]}`, event);
}

function parsed(text) {
	try {
		return JSON.parse(text);
	} catch (e) {
		return undefined;
	}
}

/* Names of headers compare without case. */
function canonical(headers) {
	const known = ['X-Idempotency-Key', 'X-Workflow-ID', 'traceparent', 'tracestate'];

	return Object.fromEntries(Object.entries(headers || {}).map(([name, value]) =>
		[known.find((k) => k.toLowerCase() === name.toLowerCase()) || name, value]));
}

/* Why this message is no job of that type, or null. Empty properties are as good as absent ones. */
function jobRefusal(type, message, body) {
	const properties = Object.fromEntries(Object.entries(message.properties || {}).filter(([, v]) => v !== ''));
	const why = tolerant.refusal('jobs/message', { properties, headers: canonical(message.headers) });

	return why || tolerant.refusal(`jobs/${type}`, body);
}

function checkDead(row) {
	const why = tolerant.refusal('dead_letter', row);

	if (why || row.reason !== 'invalid_job' || beyondSchemas.some((pattern) => pattern.test(row.error_text)))
		return why;
	/* A bytea: \x and hexadecimal digits. What an operator has mended was refused as it came. */
	if (jobRefusal(row.type, row, parsed(Buffer.from((row.original_body || row.body).slice(2), 'hex').toString())) !== null)
		return null;
	return `it was refused (${row.error_text}), and by its schema it is good`;
}

/* The published messages of this test that a worker has taken: by type and key. */
function checkAdmitted(line, test) {
	const why = tolerant.refusal(`jobs/${line.type}`, line.body);

	if (why)
		return why;
	for (const message of test.published.get(`${line.type} ${line.key}`) || []) {
		const bad = test.refused.has(message.properties.message_id) ? null : jobRefusal(line.type, message, parsed(message.body));

		if (bad)
			return `${bad}, in ${JSON.stringify(message).slice(0, 300)}`;
	}
	return null;
}

function readTest(file) {
	const test = { lines: [], published: new Map(), refused: new Set() };

	for (const text of fs.readFileSync(file, 'utf8').split('\n')) {
		if (!text)
			continue;
		const line = JSON.parse(text);

		if (line.what === 'published') {
			const key = `${line.routing_key} ${canonical(line.headers)['X-Idempotency-Key'] || line.properties.message_id}`;

			test.published.set(key, [...(test.published.get(key) || []), line]);
		} else {
			test.lines.push(line);
		}
		if (line.what === 'dead' && !line.row.workflow_id)
			test.refused.add(line.row.message_id);
	}
	return test;
}

function check(line, test) {
	counts[line.what] = (counts[line.what] || 0) + 1;
	if (line.what === 'event')
		return checkEvent(line);
	return line.what === 'dead' ? checkDead(line.row) : checkAdmitted(line, test);
}

function main() {
	const files = fs.statSync(where).isDirectory() ? filesBelow(where) : [where];

	for (const file of files) {
		const test = readTest(file);

		for (const line of test.lines) {
			let why;

			try {
				why = check(line, test);
			} catch (e) {
				why = e.message;
			}
			if (why) {
				console.log(`${file}: this ${line.what} escapes its schema: ${why}\n${JSON.stringify(line).slice(0, 2000)}`);
				process.exit(1);
			}
		}
	}
	if (!counts.event && !counts.admitted) {
		console.log(`${where}: nothing is recorded there`);
		process.exit(1);
	}
	console.log(Object.entries(counts).map(([what, n]) => `${n} ${what}`).join(', '));
}

main();
