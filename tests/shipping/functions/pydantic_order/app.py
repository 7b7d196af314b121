"""An order, checked."""

from datetime import date
from decimal import Decimal

from pydantic import BaseModel, Field, ValidationError


class Line(BaseModel):
    """One article of it."""

    article: str = Field(pattern=r"^[A-Z]{3}-\d+$")
    count: int = Field(gt=0)
    price: Decimal


class Order(BaseModel):
    """All of it."""

    due: date
    lines: list[Line]


def handler(event, context):
    try:
        order = Order.model_validate(event)
    except ValidationError as exc:
        return {"errors": [[*error["loc"], error["type"]] for error in exc.errors()]}
    total = sum(line.count * line.price for line in order.lines)
    return {"due": order.due.isoformat(), "total": str(total)}
