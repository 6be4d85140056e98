"use strict";
/* Renders openapi.json; everything goes in as text. */
(function () {
  const make = (name, text, className) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  const nameOf = (schema) => schema.$ref.split("/").pop();
  const typeOf = (schema) => {
    if (!schema) return "";
    if (schema.$ref) return nameOf(schema);
    const any = schema.anyOf || schema.oneOf;
    if (any) return any.map(typeOf).join(" | ");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((x) => JSON.stringify(x)).join(" | ");
    if (schema.type === "array") return typeOf(schema.items) + "[]";
    if (schema.additionalProperties) return "{name: " + typeOf(schema.additionalProperties) + "}";
    return schema.type || "any";
  };
  const table = (head, rows) => {
    const node = make("table");
    const line = make("tr");
    head.forEach((text) => line.append(make("th", text)));
    node.append(line);
    rows.forEach((cells) => {
      const row = make("tr");
      cells.forEach((cell) => {
        const data = make("td");
        data.append(typeof cell === "string" ? cell : cell);
        row.append(data);
      });
      node.append(row);
    });
    return node;
  };
  const fold = (id) => {
    const node = make("details");
    if (id) node.id = id;
    const summary = make("summary");
    node.append(summary);
    return [node, summary];
  };
  const operation = (method, path, item) => {
    const [node, summary] = fold();
    summary.append(make("span", method.toUpperCase(), "method"), make("span", path, "path"), make("span", item.summary));
    if (item.parameters) {
      node.append(make("h3", "Parameters"), table(["Name", "In", "Type", "Meaning"], item.parameters.map((p) => [make("code", p.name), p.in, typeOf(p.schema), p.description || ""])));
    }
    if (item.requestBody) {
      const [media, content] = Object.entries(item.requestBody.content)[0];
      node.append(make("h3", "Body"), make("p", media + ": " + typeOf(content.schema)));
    }
    node.append(make("h3", "Responses"), table(["Status", "Meaning", "Body"], Object.entries(item.responses).map(([status, r]) => [make("code", status), r.description, Object.entries(r.content || {}).map(([m, c]) => m + ": " + typeOf(c.schema)).join("; ")])));
    return node;
  };
  const schema = (name, item) => {
    const [node, summary] = fold("schema-" + name);
    summary.append(make("span", name, "path"), make("span", item.description || ""));
    const required = new Set(item.required || []);
    const rows = Object.entries(item.properties || {}).map(([field, s]) => [make("code", field + (required.has(field) ? "" : "?")), typeOf(s), s.description || (s.default !== undefined && s.default !== null ? "default " + JSON.stringify(s.default) : "")]);
    if (rows.length) node.append(table(["Field", "Type", ""], rows));
    else node.append(make("p", typeOf(item)));
    return node;
  };
  const main = document.getElementById("operations");
  fetch("openapi.json").then((r) => r.json()).then((api) => {
    main.append(make("h2", "Operations"));
    for (const [path, items] of Object.entries(api.paths)) for (const [method, item] of Object.entries(items)) main.append(operation(method, path, item));
    main.append(make("h2", "Schemas"));
    for (const [name, item] of Object.entries(api.components.schemas)) main.append(schema(name, item));
  }).catch((error) => main.append(make("p", "The description could not be loaded: " + error.message))).finally(() => main.removeAttribute("aria-busy"));
})();
