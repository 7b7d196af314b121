"""Flask: routes, an upload, a streamed response, cookies, errors."""

import snapboot
from flask import (
    Flask,
    Response,
    abort,
    jsonify,
    make_response,
    request,
    stream_with_context,
    url_for,
)

app = Flask(__name__)
app.secret_key = "secret"


@app.get("/items/<path:name>")
def item(name):
    return jsonify(
        name=name, tags=request.args.getlist("tag"), url=request.url, address=request.remote_addr
    )


@app.post("/upload")
def upload():
    file = request.files["file"]
    return {"name": file.filename, "size": len(file.read()), "field": request.form["field"]}


@app.get("/stream")
def stream():
    @stream_with_context
    def pieces():
        try:
            for number in range(3):
                yield f"{request.path} {number}\n"
        finally:
            print("no more pieces")

    return Response(pieces(), mimetype="text/plain")


@app.get("/cookies")
def cookies():
    response = make_response(f"session {request.cookies.get('session')}")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@app.get("/image")
def image():
    return Response(b"\x89PNG\r\n\x1a\n\0\xff", mimetype="image/png")


@app.get("/links")
def links():
    return url_for("image")


@app.get("/broken")
def broken():
    raise RuntimeError("no table")


@app.get("/missing")
def missing():
    abort(404)


handler = snapboot.wsgi(app)
streaming = snapboot.wsgi(app, stream=True)
