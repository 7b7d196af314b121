"""A table, summed up by group."""

import io

import pandas as pd


def handler(event, context):
    sales = pd.read_csv(io.StringIO(event["csv"]), parse_dates=["day"])
    sums = sales.groupby(["city", sales["day"].dt.month])["amount"].sum()
    return {f"{city}-{month}": amount for (city, month), amount in sums.items()}
