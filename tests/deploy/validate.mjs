// Checks rendered manifests against the schemas of Kubernetes, KEDA and the Prometheus operator, without a cluster:
//
//   node validate.mjs NODE_MODULES FILE.yaml ...
//
// Two sources, as neither does it all: kubernetes-models knows types, enums and required fields, but lets unknown fields pass;
// which fields there are is in the official client's models (Kubernetes) and in the type declarations (custom resources).
// Prints what is wrong; exit code 1 if anything is.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, ...files] = process.argv.slice(2);
const yaml = (await import(pathToFileURL(path.resolve(modules, 'js-yaml/dist/js-yaml.mjs')))).default;
const custom = { 'keda.sh': '@kubernetes-models/keda', 'monitoring.coreos.com': '@kubernetes-models/prometheus-operator' };
const official = path.resolve(modules, '@kubernetes/client-node/dist/gen/models');

// A shape is {fields: {name: shape}}, {items: shape}, {values: shape}, 'string', null (anything), or the name of one: of the
// client's models as a string, of a declaration as {file, name}.

const shapes = new Map();
async function officialShape(type) {
  let m;
  if ((m = /^Array<(.+)>$/.exec(type))) return { items: m[1] };
  if ((m = /^\{ \[key: string\]: (.+); \}$/.exec(type))) return { values: m[1] };
  if (type === 'string' || !/^V\d/.test(type)) return type === 'string' ? type : null;
  if (!shapes.has(type)) {
    const file = path.join(official, `${type}.js`);
    const model = fs.existsSync(file) ? (await import(pathToFileURL(file)))[type] : null;
    shapes.set(type, model?.attributeTypeMap
      ? { fields: Object.fromEntries(model.attributeTypeMap.map((a) => [a.baseName, a.type])) } : null);
  }
  return shapes.get(type);
}

// The shape of an interface in TypeScript: "name"?: TYPE; where TYPE may be { … }, Array<…>, { [key: string]: … }, or a name
// that the file imports from another.
const declarations = new Map();
function declaredShape(file, name) {
  if (!declarations.has(file)) declarations.set(file, fs.readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, ''));
  const text = declarations.get(file);
  const elsewhere = new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\} from "([^"]+)"`).exec(text)?.[1];
  if (elsewhere) {
    return elsewhere.startsWith('.') ? declaredShape(path.resolve(file, '..', elsewhere.replace(/\.js$/, '') + '.d.ts'), name) : null;
  }
  const own = new RegExp(`\\b(\\w+) as ${name}\\b`).exec(text)?.[1] ?? name;
  const alias = new RegExp(`export type ${own} = (\\w+);`).exec(text)?.[1];
  if (alias) return declaredShape(file, alias);
  let at = text.search(new RegExp(`export interface ${own}\\b`));
  if (at < 0) throw new Error(`${file} declares no ${name}`);
  at = text.indexOf('{', at);
  const skip = () => { while (/\s/.test(text[at])) at++; };
  function object() {
    const fields = {};
    let values;
    at++;
    for (skip(); text[at] !== '}'; skip()) {
      const m = /^(?:"([^"]+)"|\[key: string\])\??:\s*/.exec(text.slice(at));
      if (!m) throw new Error(`cannot read the declaration of ${name} at ${text.slice(at, at + 40)}`);
      at += m[0].length;
      const t = type();
      if (m[1]) fields[m[1]] = t; else values = { values: t };
      skip();
      if (text[at] === ';') at++;
    }
    at++;
    return values ?? { fields };
  }
  function type() {
    if (text[at] === '{') return object();
    if (text.startsWith('Array<', at)) {
      at += 6;
      const items = type();
      at++;
      return { items };
    }
    const m = /^[^;>]+/.exec(text.slice(at));
    at += m[0].length;
    if (/^I[A-Z]\w+$/.test(m[0])) return { file, name: m[0] };
    return m[0] === 'string' ? 'string' : null;
  }
  return object();
}

async function walk(value, shape, at, wrong) {
  if (typeof shape === 'string' && shape !== 'string') shape = await officialShape(shape);
  if (shape?.file) shape = declaredShape(shape.file, shape.name);
  if (shape === null || shape === undefined || value === null || value === undefined) return;
  if (shape === 'string') {
    if (typeof value !== 'string' && !(value instanceof Date)) wrong.push(`${at}: is ${JSON.stringify(value)}, and must be a string`);
  } else if (shape.items) {
    if (!Array.isArray(value)) wrong.push(`${at}: must be a list`);
    else for (const [i, item] of value.entries()) await walk(item, shape.items, `${at}[${i}]`, wrong);
  } else if (typeof value !== 'object' || Array.isArray(value)) {
    wrong.push(`${at}: must be an object`);
  } else {
    for (const [key, item] of Object.entries(value)) {
      if (shape.fields && !(key in shape.fields)) wrong.push(`${at}.${key}: there is no such field`);
      else await walk(item, shape.fields ? shape.fields[key] : shape.values, `${at}.${key}`, wrong);
    }
  }
}

async function check(document) {
  const wrong = [];
  const { apiVersion, kind } = document;
  const [version, group] = apiVersion.split('/').reverse();
  const file = path.resolve(modules, custom[group] ?? 'kubernetes-models', apiVersion, `${kind}.js`);
  if (!fs.existsSync(file)) return [`no schema is known for ${apiVersion} ${kind}`];
  const module = await import(pathToFileURL(file));
  const Model = module[kind] ?? module.default[kind];
  try {
    new Model(document).validate();
  } catch (error) {
    wrong.push(error.message);
  }
  if (custom[group]) {
    await walk(document, { file: file.replace(/\.js$/, '.d.ts'), name: `I${kind}` }, kind, wrong);
  } else {
    await walk(document, version[0].toUpperCase() + version.slice(1) + kind, kind, wrong);
  }
  return wrong;
}

let bad = 0;
let seen = 0;
for (const file of files) {
  for (const document of yaml.loadAll(fs.readFileSync(file, 'utf8'))) {
    if (!document) continue;
    seen++;
    for (const text of await check(document)) {
      console.log(`${path.basename(file)}: ${document.kind}/${document.metadata?.name}: ${text}`);
      bad++;
    }
  }
}
console.log(`${seen} documents, ${bad} problems`);
process.exit(bad || !seen ? 1 : 0);
