"""Starlette: server-sent events and a background task."""

import asyncio

import snapboot
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

done = []


async def events(request):
    """Server-sent events."""

    async def pieces():
        try:
            for number in range(int(request.query_params.get("count", 3))):
                yield f"id: {number}\ndata: at {number}\n\n"
                await asyncio.sleep(0)
        finally:
            print("no more events")

    return StreamingResponse(pieces(), media_type="text/event-stream")


async def page(request):
    task = BackgroundTask(done.append, "task")
    return PlainTextResponse(f"{request.url_for('page')} {done} " + "x" * 2000, background=task)


async def file(request):
    return FileResponse(__file__, media_type="text/x-python")


class Stamp(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-stamp"] = request.method
        return response


routes = [
    Route("/page", page),
    Route("/events", events),
    Route("/file", file),
    Mount("/site", routes=[Route("/page", page)]),
]
app = Starlette(routes=routes, middleware=[Middleware(Stamp), Middleware(GZipMiddleware)])
handler = snapboot.asgi(app)
streaming = snapboot.asgi(app, stream=True)
