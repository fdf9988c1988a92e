// SPDX-License-Identifier: Apache-2.0
// Does with the `openai` package what lines of JSON on standard input ask for, and answers each with a line; test_openai.py
// says what. openai_client.py is its like.
import { createInterface } from "node:readline";
import OpenAI from "openai";

// What the package's helper for zod makes of a schema, without zod.
const place = {
    type: "json_schema",
    json_schema: {
        name: "Place",
        strict: true,
        schema: {
            type: "object",
            properties: { city: { type: "string" }, people: { type: "integer" } },
            required: ["city", "people"],
            additionalProperties: false,
        },
    },
};

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

const error = (e) => ({
    error: {
        kind: e.constructor.name,
        status: e.status ?? null,
        code: e.code ?? null,
        param: e.param ?? null,
        message: e.message,
    },
});

async function once(client, ask) {
    try {
        const names = ask.call.split(".");
        const last = names.pop();
        const api = names.reduce((at, name) => at[name], client);
        const args = { ...ask.args };
        if (args.response_format === "Place") args.response_format = place;
        if (last === "stream") {
            const stream = api.stream(args);
            const kinds = [];
            for (const kind of ["content.delta", "content.done"]) stream.on(kind, () => kinds.push(kind));
            return { kinds, value: await stream.finalChatCompletion() };
        }
        const value = await (ask.path ? api[last](...ask.path) : api[last](args));
        if (!args.stream) return { value };
        const events = [];
        for await (const event of value) {
            events.push(event);
            say({ id: ask.id, event });
            if (events.length === ask.take) break;
        }
        return { events };
    } catch (e) {
        return error(e);
    }
}

for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line);
    const client = new OpenAI({ baseURL: ask.base, apiKey: ask.key, maxRetries: ask.retries ?? 0 });
    say({ id: ask.id, results: await Promise.all(Array.from({ length: ask.times ?? 1 }, () => once(client, ask))) });
}
