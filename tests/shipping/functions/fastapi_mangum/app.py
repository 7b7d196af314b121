"""An ASGI application behind API Gateway."""

from fastapi import FastAPI
from mangum import Mangum
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    """What is sold."""

    name: str
    price: float


@app.post("/items/{number}")
async def add(number: int, item: Item, note: str = ""):
    return {"number": number, "name": item.name, "twice": item.price * 2, "note": note}


handler = Mangum(app, lifespan="off")
