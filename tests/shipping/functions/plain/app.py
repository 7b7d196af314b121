"""A function of the standard library alone, with more of it than a start loads."""

import decimal
import json
import sqlite3
import ssl
import uuid
import zoneinfo
from datetime import datetime


def handler(event, context):
    database = sqlite3.connect(":memory:")
    total = database.execute("select sum(value) from json_each(?)", [json.dumps(event)]).fetchone()
    return {
        "total": total[0],
        "half": str(decimal.Decimal(total[0]) / 2),
        "tls": ssl.HAS_TLSv1_3,
        "id": str(uuid.UUID(int=total[0])),
        "noon": datetime(2026, 1, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).isoformat(),
        "name": context.function_name,
    }
