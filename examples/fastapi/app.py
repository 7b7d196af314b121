"""A FastAPI application in the function's own process: no server, no proxy."""

import asyncio

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

import snapboot

app = FastAPI()


@app.get("/hello/{name}")
async def hello(name: str):
    """Greet by a document."""
    return {"message": f"Hello, {name}!"}


@app.get("/numbers")
async def numbers(to: int = 3):
    """Stream a line for each number."""

    async def lines():
        for number in range(1, to + 1):
            yield f"{number}\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(lines(), media_type="text/plain")


# For a function URL with RESPONSE_STREAM: snapboot.asgi(app, stream=True).
handler = snapboot.asgi(app)
