// One request as the form has it: its body, and the same for a terminal, Python and JavaScript.

const PATHS = { generate: "v1/images/generations", edit: "v1/images/edits", variation: "v1/images/variations" };
const METHODS = { generate: "generate", edit: "edit", variation: "createVariation" };
const KEY = "IMAGE_ROUTER_KEY";

export class Ask {
  /** `fields` are those of the body without pictures; `files` are `{name, file}`. */
  constructor(operation, fields, files = []) {
    this.operation = operation;
    this.fields = fields;
    this.files = files;
  }

  get path() {
    return PATHS[this.operation];
  }

  body(more = {}) {
    const fields = { ...this.fields, ...more };
    if (this.operation === "generate") return fields;
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
    for (const { name, file } of this.files) form.append(name, file, file.name);
    return form;
  }

  /** What would be done: streaming makes no difference to that. */
  planBody() {
    const { stream, partial_images: looks, ...fields } = this.fields;
    return new Ask(this.operation, fields, this.files).body({ dry_run: true });
  }

  curl() {
    const lines = [`curl ${shell(this.#url)}`, `-H "authorization: Bearer $${KEY}"`];
    if (this.operation === "generate") {
      lines.push(`-H 'content-type: application/json'`, `-d ${shell(JSON.stringify(this.fields, null, 2))}`);
    } else {
      // --form-string takes the text as it is: -F would read a file where it begins with @
      for (const [name, value] of Object.entries(this.fields)) lines.push(`--form-string ${shell(`${name}=${value}`)}`);
      for (const { name, file } of this.files)
        lines.push(`-F ${shell(`${name}=@"${file.name.replaceAll(/["\\]/g, "\\$&")}"`)}`);
    }
    return lines.join(" \\\n  ") + "\n";
  }

  python() {
    const given = Object.entries(this.fields).map(([name, value]) => `    ${name}=${python(value)},`);
    for (const [name, files] of this.#byName()) {
      const opened = files.map((file) => `open(${python(file.name)}, "rb")`);
      given.push(`    ${name}=${opened.length > 1 ? `[${opened.join(", ")}]` : opened[0]},`);
    }
    const method = this.operation === "variation" ? "create_variation" : METHODS[this.operation];
    const use = this.fields.stream
      ? ["for event in answer:", "    print(event.type)"]
      : [
          "for number, picture in enumerate(answer.data):",
          '    with open(f"picture-{number}", "wb") as file:',
          "        file.write(base64.b64decode(picture.b64_json))",
        ];
    return [
      "import base64\nimport os\n",
      "from openai import OpenAI\n",
      `client = OpenAI(base_url=${python(this.#base)}, api_key=os.environ["${KEY}"])`,
      `answer = client.images.${method}(`,
      ...given,
      ")",
      ...use,
      "",
    ].join("\n");
  }

  javascript() {
    const given = Object.entries(this.fields).map(([name, value]) => `  ${name}: ${JSON.stringify(value)},`);
    for (const [name, files] of this.#byName()) {
      const opened = files.map((file) => `fs.createReadStream(${JSON.stringify(file.name)})`);
      given.push(`  ${name}: ${opened.length > 1 ? `[${opened.join(", ")}]` : opened[0]},`);
    }
    const use = this.fields.stream
      ? ["for await (const event of answer) console.log(event.type);"]
      : [
          "for (const [number, picture] of answer.data.entries()) {",
          '  fs.writeFileSync(`picture-${number}`, Buffer.from(picture.b64_json, "base64"));',
          "}",
        ];
    return [
      'import fs from "node:fs";',
      'import OpenAI from "openai";\n',
      `const client = new OpenAI({ baseURL: ${JSON.stringify(this.#base)}, apiKey: process.env.${KEY} });`,
      `const answer = await client.images.${METHODS[this.operation]}({`,
      ...given,
      "});",
      ...use,
      "",
    ].join("\n");
  }

  get #url() {
    return new URL(this.path, document.baseURI).href;
  }

  get #base() {
    return new URL("v1", document.baseURI).href;
  }

  #byName() {
    const found = new Map();
    for (const { name, file } of this.files) {
      const bare = name.replace("[]", "");
      found.set(bare, [...(found.get(bare) ?? []), file]);
    }
    return found;
  }
}

function shell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function python(value) {
  return typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value);
}
