"""Reading prices. A currency is stated or it is unknown: "$" alone is the dollar of some country, and nobody guesses which."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, Literal

from price_parser import Price

from hexar.agents.vendors.model import Money
from hexar.agents.vendors.text import words
from hexar.core.memo import remembered

Decimals = Literal["auto", "point", "comma"]

#: A larger amount is not a price of gear but an error.
MAX_AMOUNT = Decimal(1_000_000_000)

#: ISO 4217 codes of currencies in use.
CODES = frozenset(
    words(
        """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
    CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
    ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
    MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND
    VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"""
    )
)
#: Currencies that are written without decimals, so that "129.990" is a hundred thousand.
_NO_DECIMALS = frozenset(words("BIF CLP COP DJF GNF HUF IDR IQD ISK JPY KMF KRW LAK LBP PYG RWF UGX VND VUV XAF XOF XPF"))
#: Currencies of a thousand parts, always written with three decimals: "12.500 KWD" is twelve and a half.
_THREE_DECIMALS = frozenset(words("BHD JOD KWD LYD OMR TND"))
_CERTAIN = {
    "US$": "USD", "U$S": "USD", "CA$": "CAD", "C$": "CAD", "CDN$": "CAD", "AU$": "AUD", "A$": "AUD", "NZ$": "NZD",
    "HK$": "HKD", "S$": "SGD", "NT$": "TWD", "MX$": "MXN", "R$": "BRL", "€": "EUR", "£": "GBP", "₹": "INR", "₩": "KRW",
    "₽": "RUB", "zł": "PLN", "₺": "TRY", "₴": "UAH", "₫": "VND", "₪": "ILS", "Kč": "CZK", "Ft": "HUF", "฿": "THB",
    "₱": "PHP", "Fr.": "CHF",
}  # fmt: skip
_SHARED = {
    "$": frozenset(
        words("USD CAD AUD NZD HKD SGD TWD MXN ARS CLP COP UYU BSD BBD BMD BND BZD FJD GYD JMD KYD LRD NAD TTD XCD")
    ),
    "¥": frozenset({"JPY", "CNY"}),
    "kr": frozenset({"SEK", "NOK", "DKK", "ISK"}),
}
_CODE = re.compile(r"(?<![A-Za-z])([A-Z]{3})(?![A-Za-z])")
_CERTAIN_SYMBOL = re.compile("|".join(
    rf"(?<![A-Za-z]){re.escape(symbol)}(?![A-Za-z])" if symbol[0].isalpha() else re.escape(symbol)
    for symbol in sorted(_CERTAIN, key=len, reverse=True)
))  # fmt: skip
_SHARED_SYMBOL = re.compile(r"\$|¥|(?<![A-Za-z])kr\.?(?![A-Za-z])", re.I)
_NEGATIVE = re.compile(r"^[^\d]{0,4}-\s?[^\d]{0,4}\d")
_PLAIN = re.compile(r"\d{1,12}(?:\.\d{1,8})?")
#: What a data format writes: a number with a point, and the currency's code at either end.
_CODED = re.compile(r"(?:[A-Z]{3}\s*)?(\d{1,12}(?:\.\d{1,8})?)(?:\s*[A-Z]{3})?")
#: Digits in groups: of three, in India of two before the last three.
_GROUPS = re.compile(r"\d*|\d{1,3}(?:[.,]\d{3})+|\d{1,2}(?:[.,]\d\d)*[.,]\d{3}")
_ARABIC_MARKS = {0x066B: ".", 0x066C: ","}
_RANGE = re.compile(r"\s*(?:[-–—~]|to|a|bis|à)\s*")
_AMOUNT = r"\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,2})?(?!\d)"
_SPACE = "[ \u00a0\u202f]?"
_CODE_HERE = rf"(?<![A-Za-z])(?:{'|'.join(sorted(CODES))})(?![A-Za-z])"
_MARK = rf"[A-Z]{{1,3}}\$|{_CODE_HERE}|[$€£¥₹₩₽₺₴₫₪฿₱]|(?<![A-Za-z])(?:Rp|Fr|kr)\.?(?![A-Za-z])"
_TAIL = rf"{_CODE_HERE}|[$€£¥₹₩₽₺₴₫₪฿₱]|zł|Kč|kr\b|Ft\b"
_PRICE_TEXT = re.compile(
    rf"(?:(?:{_MARK}){_SPACE}(?:{_AMOUNT})(?:{_SPACE}{_CODE_HERE})?)|(?:(?:{_AMOUNT}){_SPACE}(?:{_TAIL})(?!\d))"
)


def currency_code(value: Any) -> str:
    """``value`` as an ISO 4217 code in use, upper case; empty for anything else."""
    code = value.strip().upper() if isinstance(value, str) else ""
    return code if code in CODES else ""


@remembered("vendors.currency")
def currency_in(text: str, hint: str = "") -> str:
    """The currency that ``text`` states by code or symbol. A shared symbol ("$") is settled by ``hint`` where it fits.

    Without any mark the hint holds; with a mark that the hint contradicts, the currency is unknown (empty).
    """
    for match in _CODE.finditer(text):
        if match.group(1) in CODES:
            return match.group(1)
    certain = _CERTAIN_SYMBOL.search(text)
    if certain is not None:
        return _CERTAIN[certain.group()]
    shared = _SHARED_SYMBOL.search(text)
    if shared is not None:
        symbol = shared.group().rstrip(".").lower()
        return hint if hint in _SHARED[symbol] else ""
    return hint


def money(
    value: Any, currency: str = "", *, decimals: Decimals = "auto", zero: bool = False, coded: bool = False
) -> Money | None:
    """The price that ``value`` states: a JSON number, "399.99", "399.99 USD", "1.299,00 €", "$1,299".

    Args:
        value: a number or text; anything else is no price.
        currency: the ISO code that holds where the text states none; empty when it is unknown.
        decimals: the decimal mark of running text.
        zero: keep 0 (free shipping); as a price it is a placeholder, so it is None.
        coded: the format defines "number code" with a decimal point (Merchant feeds), so "3.355 GBP" has three decimals.

    Returns:
        None when there is no finite, non-negative amount in it.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float, Decimal)):
        amount, text = _decimal(str(value)), ""
    elif isinstance(value, str):
        text = value.strip()[:200]
        amount = _amount(text, currency, decimals, coded)
    else:
        return None
    if amount is None or not amount.is_finite() or amount < 0 or amount > MAX_AMOUNT or (amount == 0 and not zero):
        return None
    return Money(currency_in(text, currency), int((amount * 1_000_000).to_integral_value()))


def prices(text: str, currency: str = "", *, decimals: Decimals = "auto") -> list[Money]:
    """Every price with a currency mark that running text holds, in its order ("$261.95 $379.95 (31% Off)" holds two)."""
    found = (money(match.group(), currency, decimals=decimals) for match in _PRICE_TEXT.finditer(text[:2000]))
    return [price for price in found if price is not None]


def sale_and_list(text: str, currency: str = "", *, decimals: Decimals = "auto") -> tuple[Money | None, Money | None]:
    """The price to pay and the higher one that is struck out, of a text with one or two prices; else (None, None).

    Of a range ("$20 - $40") it is the lower end: nothing is struck out there.
    """
    matches = list(_PRICE_TEXT.finditer(text[:2000]))
    read = [(match, money(match.group(), currency, decimals=decimals)) for match in matches]
    found = list(dict.fromkeys(price for _, price in read if price is not None))
    if not found or len(found) > 2 or len({price.currency for price in found}) > 1:
        return None, None
    low, high = min(found, key=lambda price: price.micros), max(found, key=lambda price: price.micros)
    between = [text[left.end() : right.start()] for left, right in pairwise(matches)]
    ranged = any(_RANGE.fullmatch(part) for part in between)
    return low, (high if high.micros > low.micros and not ranged else None)


@remembered("vendors.amount")
def _amount(text: str, currency: str, decimals: Decimals, coded: bool) -> Decimal | None:
    # Cached: a size run repeats one price many times. A minus before the digits is no price.
    if "-" in text and _NEGATIVE.match(text):
        return None
    currency = currency_in(text, currency)
    text = text.translate(_ARABIC_MARKS)
    plain = (_CODED if coded else _PLAIN).fullmatch(text)
    if plain is not None:
        digits = plain.group(plain.re.groups)
        # Structured data writes a point. Three digits behind it are thousands only where the currency has no decimals.
        whole, _, behind = digits.partition(".")
        grouped = currency in _NO_DECIMALS or (decimals == "comma" and currency not in _THREE_DECIMALS)
        return _decimal(whole + behind if len(behind) == 3 and len(whole) <= 3 and grouped else digits)
    found = Price.fromstring(text)
    if found.amount_text is None:
        return None
    return _decimal(_plain_digits(_with_leading_mark(text, found.amount_text), currency, decimals))


def _with_leading_mark(text: str, digits: str) -> str:
    """``digits`` with the decimal mark that begins it in ``text``: ",89 €" is 0.89, "Fr.89" is not."""
    digits = digits.strip(".,")
    at = text.find(digits)
    alone = at > 0 and text[at - 1] in ".," and (at == 1 or text[at - 2] in " \u00a0\u202f$€£")
    return f"0.{digits}" if alone and len(digits) == 2 and digits.isdigit() else digits


def _plain_digits(text: str, currency: str, decimals: Decimals) -> str:
    """``text``, a number as a person writes it, with a point as the decimal mark and no other mark."""
    digits = re.sub(r"[^\d.,]", "", text.replace("€", ".") if re.search(r"\d€\d", text) else text).strip(".,")
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return digits
    mark, behind = digits[last], len(digits) - last - 1
    other = "," if mark == "." else "."
    if decimals != "auto":
        decimal = mark == {"point": ".", "comma": ","}[decimals]
    elif digits.count(mark) > 1:
        decimal = False
    elif other in digits:
        decimal = True
    else:
        decimal = behind != 3 or last > 3 or digits.startswith("0") or currency in _THREE_DECIMALS
    if currency in _NO_DECIMALS and behind == 3:
        decimal = False
    if not _GROUPS.fullmatch(digits[:last] if decimal else digits):
        return ""  # "29.99.00" is no number
    whole = re.sub(r"[.,]", "", digits[:last])
    return f"{whole}.{digits[last + 1 :]}" if decimal else whole + digits[last + 1 :]


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
