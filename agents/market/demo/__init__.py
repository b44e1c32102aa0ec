"""A small sales table for the demo: made by a formula, the same each time."""

from __future__ import annotations

import csv
import datetime as dt
import math
import random
from pathlib import Path

#: (brand, category, price, cost, strength)
_PRODUCTS = (
    ("Tindra", "Tents", 249.0, 148.0, 1.0),
    ("Tindra", "Sleeping bags", 129.0, 71.0, 1.2),
    ("Korva", "Stoves", 59.0, 34.0, 2.1),
    ("Korva", "Lanterns", 34.0, 17.5, 2.8),
    ("Ulme", "Backpacks", 99.0, 63.0, 1.5),
    ("Ulme", "Bottles", 18.0, 15.9, 3.4),
)
_REGIONS = (("North", "Norway", 1.0), ("North", "Sweden", 1.3), ("South", "Spain", 1.6), ("South", "Portugal", 0.7))
_HEADING = (
    *("Order Date", "Brand", "Category", "Region", "Country", "Channel"),
    *("Units Sold", "Unit Price (EUR)", "Unit Cost (EUR)", "Ad Spend (EUR)"),
)
_CHANNELS = (("Online", 1.3, 0.11), ("Retail", 1.0, 0.05))


def write_table(path: Path) -> Path:
    """Write three years of weekly sales of an outdoor shop to a CSV file."""
    chance = random.Random(11)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(_HEADING)
        day = dt.date(2022, 1, 3)
        while day <= dt.date(2024, 12, 30):
            season = 1 + 0.45 * math.sin((day.timetuple().tm_yday - 80) * 2 * math.pi / 365)
            years = (day - dt.date(2022, 1, 3)).days / 365
            for brand, category, price, cost, strength in _PRODUCTS:
                for region, country, size in _REGIONS:
                    channel, pull, rate = _CHANNELS[chance.randrange(2)]
                    growth = 1 + (0.12 if brand == "Korva" else -0.06 if brand == "Ulme" else 0.03) * years
                    units = max(0, round(chance.gauss(9 * strength * size * season * growth * pull, 2.5)))
                    now = round(price * (1 + 0.02 * years), 2)
                    spend = round(units * now * rate * chance.uniform(0.7, 1.3), 2)
                    of = (day.isoformat(), brand, category, region, country, channel)
                    out.writerow([*of, units, f"{now:.2f}", f"{cost:.2f}", f"{spend:.2f}"])
            day += dt.timedelta(days=7)
    return path
