"use strict";

// Lists what /openapi.json describes and sends requests to it. Everything is written with textContent, never as HTML.

const METHODS = ["get", "post", "put", "patch", "delete"];
const EXAMPLE_DEPTH_MAX = 6;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// What stands in backticks is code.
function prose(text) {
  return text.split("`").map((part, at) => (at % 2 ? element("code", { textContent: part }) : part));
}

function resolved(document_, schema) {
  const parts = schema?.$ref?.split("/").slice(1);
  return parts ? parts.reduce((at, part) => at[part], document_) : schema ?? {};
}

function example(document_, schema, depth = 0) {
  const known = resolved(document_, schema);
  if (depth > EXAMPLE_DEPTH_MAX) return null;
  if (known.default !== undefined) return known.default;
  if (known.examples?.length) return known.examples[0];
  if (known.enum) return known.enum[0];
  const choice = known.oneOf ?? known.anyOf;
  if (choice) return example(document_, choice.find((each) => each.type !== "null") ?? choice[0], depth + 1);
  if (known.properties) {
    const required = Object.entries(known.properties).filter(([name]) => known.required?.includes(name));
    return Object.fromEntries(required.map(([name, each]) => [name, example(document_, each, depth + 1)]));
  }
  const type = Array.isArray(known.type) ? known.type[0] : known.type;
  return { array: [], boolean: false, integer: known.minimum ?? 0, number: 0, object: {}, string: "" }[type] ?? null;
}

function request(path, operation, form) {
  const headers = {};
  const query = new URLSearchParams();
  let address = path;
  for (const parameter of operation.parameters ?? []) {
    const value = form.elements[`${parameter.in}:${parameter.name}`].value;
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (parameter.in === "query") query.append(parameter.name, value);
    else headers[parameter.name] = value;
  }
  const token = document.getElementById("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  const body = form.elements.body?.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const search = query.toString();
  return [address + (search ? `?${search}` : ""), { headers, body }];
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(method, path, operation, form, output) {
  const [address, options] = request(path, operation, form);
  output.className = "";
  output.textContent = "Waiting for the answer...";
  const started = performance.now();
  try {
    const reply = await fetch(address, { method: method.toUpperCase(), ...options });
    const text = await reply.text();
    const ms = Math.round(performance.now() - started);
    const shown = ["etag", "idempotency-replayed", "ratelimit-remaining", "retry-after", "x-request-id"];
    const headers = shown.filter((name) => reply.headers.has(name)).map((name) => `${name}: ${reply.headers.get(name)}`);
    output.className = reply.ok ? "" : "bad";
    output.textContent = [`${reply.status} ${reply.statusText} in ${ms} ms`, ...headers, "", pretty(text)].join("\n");
  } catch (error) {
    output.className = "bad";
    output.textContent = `No answer: ${error.message}`;
  }
}

function field(parameter) {
  const schema = parameter.schema ?? {};
  const filled = parameter.name === "Idempotency-Key" ? crypto.randomUUID?.() ?? String(Date.now()) : schema.default;
  return element("label", { title: parameter.description ?? "" }, `${parameter.name}${parameter.required ? " *" : ""}`,
    element("input", {
      name: `${parameter.in}:${parameter.name}`,
      required: Boolean(parameter.required),
      value: filled ?? "",
      placeholder: `${parameter.in}${schema.type ? `, ${schema.type}` : ""}`,
    }));
}

function card(document_, method, path, operation) {
  const form = element("form", {}, ...(operation.parameters ?? []).map(field));
  const body = resolved(document_, operation.requestBody)?.content?.["application/json"];
  if (body) {
    const value = JSON.stringify(example(document_, body.schema), null, 2);
    form.append(element("label", {}, "body", element("textarea", { name: "body", spellcheck: false, value })));
  }
  const output = element("pre", { hidden: true, ariaLive: "polite" });
  form.append(element("button", { textContent: "Send" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    output.hidden = false;
    send(method, path, operation, form, output);
  });
  const replies = element("table", {}, ...Object.entries(operation.responses ?? {}).map(([status, reply]) =>
    element("tr", {}, element("td", { textContent: status }), element("td", {}, ...prose(reply.description ?? "")))));
  const described = [operation.description, operation["x-scope"] && `Scope: ${operation["x-scope"]}`].filter(Boolean);
  return element("details", { id: operation.operationId },
    element("summary", {},
      element("span", { className: `method ${method}`, textContent: method.toUpperCase() }),
      element("code", { textContent: path }),
      element("span", {}, ...prose(operation.summary ?? ""))),
    element("div", {}, element("p", { className: "described" }, ...prose(described.join("\n"))), form, output,
      element("h2", { textContent: "Replies" }), replies));
}

function show(document_) {
  document.title = document.getElementById("title").textContent = `${document_.info.title} API`;
  document.getElementById("version").textContent = document_.info.version;
  const sections = new Map();
  for (const [path, item] of Object.entries(document_.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? path.split("/").find((part) => part && part !== "v1") ?? "other";
      sections.set(tag, [...(sections.get(tag) ?? []), card(document_, method, path, item[method])]);
    }
  }
  const main = document.getElementById("operations");
  main.replaceChildren(...[...sections].sort(([one], [other]) => one.localeCompare(other)).map(([tag, cards]) =>
    element("section", {}, element("h2", { textContent: tag }), ...cards)));
  if (location.hash) document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
}

function find(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll("section")) {
    for (const each of section.querySelectorAll("details")) {
      const text = each.firstChild.textContent.toLowerCase();
      each.hidden = !wanted.every((word) => text.includes(word));
    }
    section.hidden = !section.querySelector("details:not([hidden])");
  }
}

document.getElementById("find").addEventListener("input", (event) => find(event.target.value));
fetch("/openapi.json").then((reply) => reply.json()).then(show).catch((error) => {
  document.getElementById("operations").textContent = `The description could not be loaded: ${error.message}`;
});
