"""Reading prices: what is stated is read exactly, what is not stated is not guessed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.vendors.model import Money
from hexar.agents.vendors.money import currency_code, currency_in, money, prices, sale_and_list


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("399.99 USD", "USD", 399.99),
        ("USD 399", "USD", 399),
        ("$1,299.95 CAD", "CAD", 1299.95),
        ("1.299,00 €", "EUR", 1299),
        ("€1.234,5", "EUR", 1234.5),
        ("1.234 €", "EUR", 1234),
        ("349,95 €", "EUR", 349.95),
        ("1 299,00 zł", "PLN", 1299),
        ("£20", "GBP", 20),
        ("CA$ 20", "CAD", 20),
        ("CHF 1'299.00", "CHF", 1299),
        ("12.990 CLP", "CLP", 12990),
        ("₹1,29,999.00", "INR", 129999),
        ("1299.0000", "", 1299),
        (19.99, "", 19.99),
        (20, "", 20),
    ],
)
def test_prices_are_read_as_they_are_written(text: str | float, currency: str, amount: float) -> None:
    """Codes, symbols, grouping and decimal marks of several countries."""
    assert money(text) == Money(currency, round(amount * 1_000_000))


@pytest.mark.parametrize(
    "value",
    [
        "free",
        "",
        "-5.00",
        "$-5",
        "29.99.00",
        "1,2,3",
        "12.345.67",
        "- 5 USD",
        "NaN",
        "Infinity",
        "0",
        0,
        -1,
        True,
        None,
        [],
        {},
        float("nan"),
        float("inf"),
        "1" * 40,
    ],
)
def test_what_is_no_price_is_none(value: object) -> None:
    """Words, negatives, zero, not-a-number, containers and absurd amounts are not prices."""
    assert money(value) is None


def test_free_shipping_is_an_amount() -> None:
    """Zero counts where zero makes sense."""
    assert money("0.00 USD", zero=True) == Money("USD", 0)


def test_a_shared_symbol_is_never_guessed() -> None:
    """A dollar sign alone has no currency; the page or the configuration settles it, unless they contradict it."""
    assert money("$20") == Money("", 20_000_000)
    assert money("$20", "CAD") == Money("CAD", 20_000_000)
    assert money("$20", "EUR") == Money("", 20_000_000)
    assert currency_in("kr 100", "SEK") == "SEK"
    assert currency_in("¥100") == ""


def test_a_stated_currency_goes_before_the_hint() -> None:
    """The price's own mark is the strongest evidence."""
    assert money("20 €", "USD") == Money("EUR", 20_000_000)
    assert money("20", "USD") == Money("USD", 20_000_000)


def test_a_word_is_no_currency() -> None:
    """Three capital letters are a currency only when ISO 4217 lists them."""
    assert currency_code("usd") == "USD"
    assert currency_code("NEW") == ""
    assert money("NEW 20", "EUR") == Money("EUR", 20_000_000)


def test_a_sale_text_holds_two_prices() -> None:
    """Of two prices the lower is to pay, the higher is struck out; of three nobody can tell."""
    low, high = sale_and_list("$261.95 $379.95 (31% Off)", "USD")
    assert (low, high) == (Money("USD", 261_950_000), Money("USD", 379_950_000))
    assert sale_and_list("$1.00 $2.00 $3.00", "USD") == (None, None)
    assert sale_and_list("ask us", "USD") == (None, None)


@given(st.integers(1, 99_999_999), st.sampled_from(["USD", "EUR", "GBP"]))
def test_written_amounts_come_back(cents: int, code: str) -> None:
    """Any amount with two decimals, written plainly or grouped, is read back to the micro."""
    expected = Money(code, cents * 10_000)
    assert money(f"{cents / 100:.2f} {code}") == expected
    assert money(f"{cents / 100:,.2f} {code}") == expected
    swapped = f"{cents / 100:,.2f}".translate(str.maketrans(",.", ".,"))
    assert money(f"{swapped} {code}") == expected


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever a vendor writes gives a price or None."""
    value = money(text)
    assert value is None or value.micros > 0
    prices(text)


def test_a_list_of_real_board_prices(hexar_data: Path) -> None:
    """Every row of a scraped price list that shows a price gives one, and a struck-out price where there are two."""
    with (hexar_data / "gear/pages/the_house_snowboards_2020.csv").open(encoding="utf-8", newline="") as source:
        texts = [row["price"] for row in csv.DictReader(source)]
    shown = [text for text in texts if text and text != "$0.00"]
    read = [sale_and_list(text, "USD") for text in shown]
    assert len(shown) == 419
    assert all(price is not None and price.currency == "USD" for price, _ in read)
    assert all((before is not None) == ("Off" in text) for text, (_, before) in zip(shown, read, strict=True))
