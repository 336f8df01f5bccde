// Calls the router this page came from, with the key of who signed in.

const PLACE = "image-router-key";

/** What the router answered instead of a picture. */
export class Failure extends Error {
  constructor(status, error, id) {
    super(error.message ?? `the router answered ${status}`);
    Object.assign(this, {
      status,
      code: error.code ?? "",
      param: error.param ?? null,
      failures: error.failures ?? [],
      id,
    });
  }
}

export class Api {
  #key = sessionStorage.getItem(PLACE);

  get signedIn() {
    return this.#key !== null;
  }

  signIn(key) {
    this.#key = key;
    sessionStorage.setItem(PLACE, key);
  }

  signOut() {
    this.#key = null;
    sessionStorage.removeItem(PLACE);
  }

  /** The response to a call; a body that is no form goes out as JSON. */
  async call(path, { body, signal } = {}) {
    const headers = {};
    if (this.#key !== null) headers.authorization = `Bearer ${this.#key}`;
    const form = body instanceof FormData;
    if (body !== undefined && !form) headers["content-type"] = "application/json";
    const response = await fetch(new URL(path, document.baseURI), {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: form || body === undefined ? body : JSON.stringify(body),
      signal,
      cache: "no-store",
      credentials: "omit",
    });
    if (response.ok) return response;
    const told = await response.json().catch(() => ({}));
    throw new Failure(response.status, told.error ?? {}, response.headers.get("x-request-id"));
  }

  async json(path, options) {
    return (await this.call(path, options)).json();
  }
}

/** The server-sent events of a response, each `{event, data}` with its JSON read. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let searched = 0;
  for (;;) {
    const end = text.indexOf("\n\n", searched);
    if (end >= 0) {
      const found = read(text.slice(0, end));
      text = text.slice(end + 2);
      searched = 0;
      if (found !== null) yield found;
      continue;
    }
    searched = Math.max(0, text.length - 1);
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
  }
}

function read(block) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length ? { event, data: JSON.parse(data.join("\n")) } : null;
}
