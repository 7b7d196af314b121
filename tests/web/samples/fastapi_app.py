"""FastAPI: lifespan, a streamed response, a background task, a file upload, a WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import snapboot
from fastapi import (
    BackgroundTasks,
    Cookie,
    FastAPI,
    HTTPException,
    Query,
    Request,
    UploadFile,
    WebSocket,
)
from fastapi.responses import Response, StreamingResponse

mails: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    yield {"pool": asyncio.get_running_loop()}
    print("pool closed")


app = FastAPI(lifespan=lifespan)


@app.get("/items/{name:path}")
async def item(name: str, request: Request, tag: Annotated[list[str], Query()] = []):
    same_loop = request.state.pool is asyncio.get_running_loop()
    return {"name": name, "tags": tag, "url": str(request.url), "same_loop": same_loop}


@app.get("/in-a-thread")
def in_a_thread():
    return snapboot.current_context().aws_request_id


@app.get("/stream")
async def stream():
    async def pieces():
        for number in range(3):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(pieces(), media_type="text/plain")


@app.websocket("/chat")
async def chat(socket: WebSocket):
    await socket.accept()


@app.post("/mails")
async def mail(tasks: BackgroundTasks):
    tasks.add_task(deliver, "hello")
    return {"delivered": mails}


async def deliver(text: str):
    await asyncio.sleep(0.001)
    mails.append(text)


@app.post("/upload")
async def upload(file: UploadFile):
    content = await file.read()
    return {"name": file.filename, "type": file.content_type, "size": len(content)}


@app.get("/cookies")
async def cookies(session: Annotated[str | None, Cookie()] = None):
    response = Response(f"session {session}")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    return response


@app.get("/image")
async def image():
    return Response(b"\x89PNG\r\n\x1a\n\0\xff", media_type="image/png")


@app.get("/broken")
async def broken():
    raise RuntimeError("no table")


@app.get("/missing")
async def missing():
    raise HTTPException(404, "no such order")


handler = snapboot.asgi(app)
streaming = snapboot.asgi(app, stream=True)
