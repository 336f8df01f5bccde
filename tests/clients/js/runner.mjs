// Calls through the official JavaScript clients: one call per line of JSON on stdin, how it ended as a line on stdout.

import { File } from "node:buffer";
import { createInterface } from "node:readline";
import OpenAI from "openai";
import { Orq } from "@orq-ai/node";
import { HTTPClient } from "@orq-ai/node/lib/http.js";

globalThis.File ??= File; // before Node 20 the OpenAI client asks for this

// What JSON cannot hold: {"$bytes": base64} is bytes, and with a "$name" a file of that name.
const revive = (_, value) => {
  if (typeof value?.$bytes !== "string") return value;
  const bytes = Buffer.from(value.$bytes, "base64");
  return value.$name ? new File([bytes], value.$name, { type: "image/png" }) : new Uint8Array(bytes);
};

const clients = {
  openai: async ({ url, key, method, args }) => {
    const client = new OpenAI({ baseURL: url, apiKey: key });
    const [owner, call] = bound(client, method);
    const { data, response } = await call.apply(owner, args).withResponse();
    if (args[0]?.stream) return { value: await collected(data), headers: response.headers };
    return { value: data.getPaginatedItems?.() ?? data, headers: response.headers };
  },
  orq: async ({ url, key, method, args }) => {
    let headers;
    const httpClient = new HTTPClient();
    httpClient.addHook("response", (response) => void ({ headers } = response));
    const client = new Orq({ serverURL: url, apiKey: key ?? undefined, httpClient });
    const [owner, call] = bound(client, method);
    return { value: await call.apply(owner, args), headers };
  },
};

// A stream's events, once it has ended.
const collected = async (stream) => {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
};

// The object that owns a method such as "images.generate", and the method.
const bound = (client, method) => {
  const names = method.split(".");
  const last = names.pop();
  const owner = names.reduce((object, name) => object[name], client);
  return [owner, owner[last]];
};

const ended = ({ value, headers }) => ({ value, headers: Object.fromEntries(headers) });

const failed = (error) => ({
  failure: error.constructor.name,
  message: error.message,
  status: error.status ?? error.statusCode,
  code: error.code,
  type: error.type,
  param: error.param,
  body: error.error ?? error.body,
  headers: Object.fromEntries(error.headers ?? []),
});

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line, revive);
  console.log(JSON.stringify(await clients[asked.client](asked).then(ended, failed)));
}
