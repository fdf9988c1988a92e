#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does with the `openai` package what lines of JSON on standard input ask for, and answers each with a line; test_openai.py says what.

Run as `openai_client.py sync` or `openai_client.py async`; openai_client.mjs is its like. The package is used as its manual says, nothing in it is
changed: what a test finds out here holds for other programs that use it.
"""
import asyncio
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pydantic


class Place(pydantic.BaseModel):
    city: str
    people: int


def plain(value):
    return value.model_dump(mode="json", warnings=False) if isinstance(value, pydantic.BaseModel) else value


def error(e):
    body = e.body if isinstance(getattr(e, "body", None), dict) else {}
    return {"error": {"kind": type(e).__name__, "status": getattr(e, "status_code", None), "code": body.get("code"),
                      "param": body.get("param"), "message": str(e)}}


def prepare(client, ask):
    call = client
    for name in ask["call"].split("."):
        call = getattr(call, name)
    args = dict(ask.get("args", {}))
    if args.get("response_format") == "Place":
        args["response_format"] = Place
    return call, args


def say(told, **what):
    """What a test waits for before the call has ended."""
    with told:
        print(json.dumps(what), flush=True)


def once(client, ask, told):
    try:
        call, args = prepare(client, ask)
        if ask["call"].endswith(".stream"):
            with call(**args) as stream:
                kinds = [event.type for event in stream]
                return {"kinds": kinds, "value": plain(stream.get_final_completion())}
        value = call(*ask.get("path", []), **args)
        if not args.get("stream"):
            return {"value": plain(value)}
        events = []
        with value as stream:
            for event in stream:
                events.append(plain(event))
                say(told, id=ask["id"], event=events[-1])
                if len(events) == ask.get("take"):
                    break
        return {"events": events}
    except Exception as e:  # whatever it is, the test is told
        return error(e)


async def once_async(client, ask, told):
    try:
        call, args = prepare(client, ask)
        if ask["call"].endswith(".stream"):
            async with call(**args) as stream:
                kinds = [event.type async for event in stream]
                return {"kinds": kinds, "value": plain(await stream.get_final_completion())}
        value = call(*ask.get("path", []), **args)
        value = plain(await value)
        if not args.get("stream"):
            return {"value": value}
        events = []
        async with value as stream:
            async for event in stream:
                events.append(plain(event))
                say(told, id=ask["id"], event=events[-1])
                if len(events) == ask.get("take"):
                    break
        return {"events": events}
    except Exception as e:
        return error(e)


def main():
    told = threading.Lock()
    how = sys.argv[1]
    for line in sys.stdin:
        ask = json.loads(line)
        settings = {"base_url": ask["base"], "api_key": ask["key"], "max_retries": ask.get("retries", 0)}
        times = ask.get("times", 1)
        if how == "sync":
            with openai.OpenAI(**settings) as client, ThreadPoolExecutor(times) as pool:
                results = list(pool.map(lambda _: once(client, ask, told), range(times)))
        else:
            async def all_of_them():
                async with openai.AsyncOpenAI(**settings) as client:
                    return await asyncio.gather(*[once_async(client, ask, told) for _ in range(times)])
            results = asyncio.run(all_of_them())
        say(told, id=ask["id"], results=results)


main()
