"""Looks prices up at once, in tasks that share what was opened before the first event."""

import asyncio

import snapboot

PRICES = {"apple": 120, "pear": 150, "plum": 90}
shared = {}


@snapboot.on_init
async def connect():
    """Open at Function Init what lives as long as the environment; here, a limit of requests."""
    shared["requests"] = asyncio.Semaphore(2)


async def handler(event, context):
    """Return the sum of an order."""
    prices = await asyncio.gather(*(price(article) for article in event["articles"]))
    return {"prices": prices, "sum": sum(prices)}


async def price(article):
    """Ask for a price, as a client of a service would."""
    async with shared["requests"]:
        await asyncio.sleep(0.01)
        return PRICES[article]
