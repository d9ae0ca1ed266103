'use strict';
/* The schemas of include/, as a consumer reads them or (strict) as a producer must: in a strict set
 * no member is allowed that the schemas do not name. */
const fs = require('fs');
const path = require('path');
const Ajv = require('ajv/dist/2020');

function filesBelow(folder) {
	return fs.readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((entry) => {
		const name = path.join(folder, entry.name);
		return entry.isDirectory() ? filesBelow(name) : [name];
	});
}

function readJson(file) {
	return JSON.parse(fs.readFileSync(file, 'utf8'));
}

function compile(include, strict) {
	const folder = path.join(include, 'schemas');
	const ajv = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: false });
	const names = {};

	for (const file of filesBelow(folder)) {
		const schema = readJson(file);
		const name = path.relative(folder, file).replace(/\.json$/, '');

		if (name === 'common' && strict)
			schema.$defs.later = false;
		ajv.addSchema(schema);
		names[name] = schema;
	}
	return {
		names,
		/* null when the value is valid, else why it is not. */
		refusal(name, value) {
			const [file, part] = name.split('#');
			const validate = ajv.getSchema(names[file].$id + (part ? '#/$defs/' + part : ''));

			if (validate(value))
				return null;
			const e = validate.errors[0];
			const extra = e.params.additionalProperty || e.params.unevaluatedProperty;
			return `${e.instancePath || 'the whole'} ${e.message}${extra ? ` (${extra})` : ''}`;
		},
	};
}

module.exports = { compile, filesBelow, readJson };
